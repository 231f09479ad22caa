#include "park/coroutine.hpp"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "base/futex.hpp"
#include "weft/runtime.hpp"

namespace weft::detail {

namespace {

// In the `ready` of a waiter that the end of a run has queued: what has become of it.
constexpr std::uint32_t resumed = 1;    // by the goroutine that picked it
constexpr std::uint32_t destroyed = 2;  // by who owns it, and waits for the next
constexpr std::uint32_t let_go = 3;     // by the goroutine that picked it

}  // namespace

// Not inlined into anything that looks for the worker: the coroutine may end on another thread.
void resume_coroutine(seed* head, worker*, seed_action) {
  auto& s = static_cast<suspension&>(*head);
  order_after(&s.wait());
  if (s.wait().word.value() == claim_exit &&
      s.wait().ready.exchange(resumed, std::memory_order_acq_rel) == destroyed) {
    s.wait().ready.store(let_go, std::memory_order_release);  // last touch
    return;
  }
  const std::uint32_t won = s.wait().word.close();
  if (!s.type->finish(s, won)) return;
  const std::coroutine_handle<> who = s.who;
  reinterpret_cast<async_state&>(s).suspended = false;
  who.resume();
}

coroutine_wait::coroutine_wait(async_state& state, std::coroutine_handle<> who,
                               const suspension_type& type)
    : state_(state), suspension_(*::new (static_cast<void*>(state.memory)) suspension) {
  suspension_.invoke = &resume_coroutine;
  suspension_.seed::kind = seed_kind::resumption;
  suspension_.wait().kind = waiter_kind::coroutine;
  suspension_.core = &current_core();
  suspension_.who = who;
  suspension_.type = &type;
}

bool coroutine_wait::must_exit() const noexcept {
  const runtime_core& core = *suspension_.core;
  if (!core.is_ending()) return false;
  core.wait_until_decided();
  return true;
}

void coroutine_wait::commit(wait_scope::unlock_function unlock, void* argument,
                            timer_node* timer) noexcept {
  suspension& s = suspension_;
  runtime_core& core = *s.core;
  state_.suspended = true;
  // What the coroutine has done is seen by who resumes it, whoever wakes it.
  order_before(&s);
  order_before(&s.wait());
  {
    tsan_blind blind;
    core.count_suspended(s);
    core.link_suspended(s);
  }
  if (timer != nullptr) {
    core.add_timer(*timer);  // opens the word
  } else {
    s.wait().word.open();
  }
  if (unlock != nullptr) unlock(argument);
}

void coroutine_wait::commit_yield() noexcept {
  suspension& s = suspension_;
  state_.suspended = true;
  order_before(&s);
  order_before(&s.wait());
  tsan_blind blind;
  s.core->count_suspended(s);
  s.wait().word.open();
  s.wait().word.claim(claim_timeout);
  runtime_core::resume(s, runtime_core::resume_order::after_others);
}

void withdraw_async(async_state& state) noexcept {
  suspension& s = suspension_of(state);
  if (runtime_core::withdraw(s)) return;
  // One that unwinds late destroys what the end of the run has queued already. Until the goroutine
  // that picks it has let go, the memory is needed. The one that waits so may not be left by an
  // exception, and is not: this is no wait, others just go first.
  if (s.wait().word.value() == claim_exit &&
      s.wait().ready.exchange(destroyed, std::memory_order_acq_rel) != resumed) {
    for (backoff b; s.wait().ready.load(std::memory_order_acquire) != let_go;) {
      worker* w = current_worker();
      if (w != nullptr && w->current != nullptr) {
        yield_now(w, w->current);
      } else {
        b.wait();
      }
    }
    s.type->withdraw(s);
    return;
  }
  std::fputs("weft: a suspended coroutine is destroyed although its wait is over and it is about to "
             "run; only one that still waits may be destroyed\n", stderr);
  std::abort();
}

void rethrow_async(async_state& state) {
  if (state.outcome == async_outcome::exit) {
    if (current_worker() != nullptr) throw_goroutine_exit();
    throw goroutine_exit();
  }
  if (state.outcome == async_outcome::failed) std::rethrow_exception(std::exchange(state.error, nullptr));
}

}  // namespace weft::detail
