#include "park/coroutine.hpp"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "base/futex.hpp"
#include "weft/runtime.hpp"

namespace weft::detail {

// Not inlined into anything that looks for the worker: the coroutine may end on another thread.
void resume_coroutine(seed* head, worker*, seed_action) {
  auto& s = static_cast<suspension&>(*head);
  order_after(&s.wait());
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
  if (runtime_core::withdraw(suspension_of(state))) return;
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
