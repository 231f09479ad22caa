#include "park/park.hpp"

#include "base/futex.hpp"
#include "weft/runtime.hpp"

namespace weft::detail {

namespace {

struct park_arguments {
  wait_scope::unlock_function unlock;
  void* argument;
  timer_node* timer;
};

// Opens the word under the last lock that it takes, arms the timer, lets go of the object: see
// the invariants in sched/switching.cpp. Whoever claims the word from then on makes the goroutine
// run, which takes each of these locks before it leaves the frames that are used here.
void commit_park(worker* now_on, goroutine* from, void* a) noexcept {
  const park_arguments arguments = *static_cast<park_arguments*>(a);
  from->state.store(goroutine_state::parked, std::memory_order_release);
  if (arguments.timer != nullptr) {
    now_on->core->add_timer(*arguments.timer);  // opens the word
  } else {
    from->wait.word.open();
  }
  if (arguments.unlock != nullptr) arguments.unlock(arguments.argument);
}

}  // namespace

std::uint32_t wait_scope::park_goroutine(unlock_function unlock, void* argument,
                                         deadline limit) noexcept {
  goroutine* self = goroutine_;
  timer_node timer;
  park_arguments arguments{unlock, argument, nullptr};
  if (!limit.is_never()) [[unlikely]] {
    timer.at = limit.at;
    timer.sleeper = &self->wait;
    arguments.timer = &timer;
  }
  self->waits_for.store(what_, std::memory_order_relaxed);
  self->waits_since.store(coarse_time(worker_), std::memory_order_relaxed);
  self->waits_on.store(waits_on_at_exit(worker_, self), std::memory_order_relaxed);
  worker_ = switch_away(worker_, self, &commit_park, &arguments);
  order_after(&self->wait);
  const std::uint32_t won = self->wait.word.close();
  if (arguments.timer != nullptr) {
    tsan_blind blind;
    timer_wheel::remove(timer);
  }
  return won;
}

std::uint32_t wait_scope::park_thread(unlock_function unlock, void* argument,
                                      deadline limit) noexcept {
  waiter* self = &thread_;
  self->ready.store(0, std::memory_order_relaxed);
  self->word.open();
  if (unlock != nullptr) unlock(argument);
  while (self->ready.load(std::memory_order_acquire) == 0) {
    futex_wait(self->ready, 0, limit.at);
    if (!limit.is_never() && steady_now() >= limit.at) {
      if (self->word.claim(claim_timeout)) break;
      limit = deadline::never();  // somebody else won and is about to wake us
    }
  }
  order_after(self);
  return self->word.close();
}

bool waits_on_at_exit(const worker* w, const goroutine* g) noexcept {
  return g->exit_guards != 0 || w->exceptions->uncaught != 0;
}

void wait_scope::throw_exit_if_allowed() {
  if (!waits_on_at_exit(worker_, goroutine_)) throw goroutine_exit();
}

void wait_scope::throw_for(std::uint32_t won) {
  if (won == claim_exit) throw goroutine_exit();
  throw deadlock_error("weft: deadlock: every goroutine waits and nothing can wake one");
}

void wake(waiter* w) noexcept {
  order_before(w);
  if (w->kind == waiter_kind::goroutine) {
    tsan_blind blind;
    goroutine* g = goroutine_of(w);
    g->core.load(std::memory_order_relaxed)->ready(g);
  } else {
    // The thread may be gone with its frame as soon as it sees the store.
    std::atomic<std::uint32_t>* ready = &w->ready;
    ready->store(1, std::memory_order_release);
    futex_wake(ready);
  }
}

std::uint32_t random_below(std::uint32_t n) noexcept {
  worker* w = current_worker();
  if (w == nullptr) return thread_random_below(n);
  tsan_blind blind;
  return w->random.below(n);
}

}  // namespace weft::detail
