// Goroutines that have no stack to start on, since there is no memory for another one: they wait, and
// what runs goes on.
//
// No stack lies idle while one waits: a worker that ends a goroutine, looks around or looks for work
//   takes one that waits for each stack that it has; one that goes to sleep gives its stacks back to
//   the pool and looks whether one waits; and the first that has to wait wakes all that sleep.
// Memory may come free elsewhere, too: the system is asked again every 50 ms, not for each goroutine.
// Proved by: tests/unit/out_of_memory_test.cpp.
#include <algorithm>
#include <cstdio>
#include <mutex>

#include "sched/core.hpp"

namespace weft::detail {

namespace {
constexpr std::int64_t retry_period = 50'000'000;
}

bool runtime_core::refill_stacks(worker* w) noexcept {
  if (starved_count_.load(std::memory_order_relaxed) != 0 && !may_ask_for_stacks(steady_now()) &&
      !stack_pool_->has_idle()) {
    return false;
  }
  std::size_t cold = 0;
  w->stack_count = static_cast<std::uint32_t>(stack_pool_->take(w->stacks, 16, &cold));
  w->cold_stacks = static_cast<std::uint32_t>(cold);
  // The first one last: hot ones come first, and neighbours in the order of their addresses.
  std::reverse(w->stacks, w->stacks + w->stack_count);
  if (w->stack_count != 0) return true;
  ask_for_stacks_at_.store(steady_now() + retry_period, std::memory_order_relaxed);
  return false;
}

// By who binds none for a while. While the run ends they stay, see free_stack.
void runtime_core::give_back_stacks(worker* w) noexcept {
  if (is_ending()) return;
  give_back_all_stacks(w);
}

void runtime_core::give_back_all_stacks(worker* w) noexcept {
  for (std::uint32_t i = 0; i < w->stack_count;) {
    const std::uint32_t n = std::min(w->stack_count - i, std::uint32_t{32});
    const std::uint32_t cold = std::min(n, w->cold_stacks - std::min(i, w->cold_stacks));
    stack_pool_->give_back(w->stacks + i, n, cold);
    i += n;
  }
  w->stack_count = w->cold_stacks = 0;
}

void runtime_core::starve(seed* s) noexcept {
  static std::atomic<bool> told{false};
  if (!told.exchange(true)) {
    std::fputs("weft: no memory for another stack; new goroutines wait until one ends\n", stderr);
  }
  ever_starved_.fetch_add(1, std::memory_order_release);  // first: pairs with stats()
  bool first = false;
  {
    std::lock_guard guard(global_lock_);
    starved_.push_newest(s);
    first = starved_count_.fetch_add(1, std::memory_order_seq_cst) == 0;
  }
  if (!first) return;
  heavy_barrier();  // who goes to sleep sees the count, or is seen to sleep
  while (worker* sleeper = pop_sleeper(true)) wake_worker(sleeper, false);
}

bool runtime_core::feed_starved(worker* w) noexcept {
  if (w->stack_count == 0 && !refill_stacks(w)) return false;
  seed* s = nullptr;
  {
    std::lock_guard guard(global_lock_);
    s = starved_.pop_oldest();
  }
  if (s == nullptr) return false;
  w->queue.push_fresh(s);
  starved_count_.fetch_sub(1, std::memory_order_seq_cst);  // last: it is counted somewhere, always
  return true;
}

}  // namespace weft::detail
