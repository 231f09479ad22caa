#include "park/park.hpp"

#include "base/futex.hpp"
#include "sched/suspension.hpp"
#include "weft/runtime.hpp"

namespace weft::detail {

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

void wait_scope::throw_exit_if_allowed() {
  if (waits_on_at_exit(worker_, goroutine_)) return;
  worker_->core->wait_until_decided();
  throw_goroutine_exit();
}

void throw_goroutine_exit() {
  worker* w = current_worker();
  w->current->unwinds_by_exit = true;  // for the terminate handler
  throw goroutine_exit();
}

void wait_scope::throw_for(std::uint32_t won) {
  if (won == claim_exit) throw_goroutine_exit();
  throw deadlock_error("weft: deadlock: every goroutine waits and nothing can wake one");
}

void wake(waiter* w) noexcept {
  const waiter_kind kind = w->kind;  // read first, so that for TSan it comes before the coroutine's end
  order_before(w);
  if (kind == waiter_kind::goroutine) {
    tsan_blind blind;
    goroutine* g = goroutine_of(w);
    g->core.load(std::memory_order_relaxed)->ready(g);
  } else if (kind == waiter_kind::coroutine) {
    tsan_blind blind;
    runtime_core::resume(*suspension_of(w), runtime_core::resume_order::soon);
  } else {
    // The thread may be gone with its frame as soon as it sees the store.
    atomic<std::uint32_t>* ready = &w->ready;
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
