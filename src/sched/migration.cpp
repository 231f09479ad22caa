// For tests: with WEFT_FORCE_MIGRATION every goroutine goes on on another worker after each switch,
// so that what a compiler or a library keeps of a thread shows at once.
//
// Who picks a goroutine that has just run on this worker puts it into the global queue instead, wakes
// somebody, and takes from there only what has run elsewhere. A pinned one stays. With
// WEFT_FORCE_MIGRATION=0 in the environment nothing is forced.
// progress: when nobody else takes it (all others block), it goes on where it was after some refusals,
//   with naps in between, so that the others get the processor.
// Proved by: tests/unit/migration_test.cpp.
#include "sched/core.hpp"

#if WEFT_FORCE_MIGRATION

#include <time.h>

#include <cstdlib>
#include <mutex>
#include <string_view>

namespace weft::detail {

namespace {
constexpr std::uint32_t most_refusals = 32;

const bool is_forced = [] {
  const char* text = std::getenv("WEFT_FORCE_MIGRATION");
  return text == nullptr || std::string_view(text) != "0";
}();
}

bool runtime_core::must_move(const worker* w, const runnable& r) const noexcept {
  return is_forced && r.started != nullptr && r.started->ran_on == w && r.started->pins == 0 &&
         nominal_.load(std::memory_order_relaxed) > 1;
}

void runtime_core::move_away(goroutine* g) noexcept {
  // It comes out of a list of this worker, and stats() is to see it somewhere.
  {
    std::lock_guard guard(global_lock_);
    note_left_global_locked(1);
  }
  push_global(g, nullptr);
  {
    std::lock_guard guard(global_lock_);
    note_arrived_global_locked(1);
  }
  // Who searches already may be one that must not take it.
  if (idle_count_.load(std::memory_order_relaxed) == 0) return;
  if (worker* other = pop_idle(); other != nullptr && !wake_worker(other, false)) {
    refused_.fetch_add(1, std::memory_order_seq_cst);
  }
}

runnable runtime_core::pick_moved(worker* w, bool yields) noexcept {
  for (;;) {
    runnable r = yields ? w->queue.pick_to_yield() : w->queue.pick();
    if (!must_move(w, r)) return r;
    move_away(r.started);
  }
}

goroutine* runtime_core::take_moved_locked(worker* w) noexcept {
  goroutine* found = nullptr;
  goroutine_list others;  // that stand before it
  while (found == nullptr && global_woken_.count != 0) {
    goroutine* g = global_woken_.pop_front();
    if (must_move(w, {g, nullptr})) {
      others.push_back(g);
    } else {
      found = g;
    }
  }
  w->has_refused = found == nullptr && others.count != 0;
  if (w->has_refused && ++w->refusals >= most_refusals) {
    found = others.pop_front();
    found->ran_on = nullptr;
    w->has_refused = false;
  }
  if (found != nullptr) w->refusals = 0;
  others.append(global_woken_);
  global_woken_ = others;
  return found;
}

void runtime_core::nap_if_refused(worker* w) noexcept {
  if (!w->has_refused) return;
  w->has_refused = false;
  const timespec nap{0, 50'000};
  nanosleep(&nap, nullptr);
}

}  // namespace weft::detail

#endif
