// Waiting in a coroutine. An operation keeps an async_state (weft/detail/async.hpp) with its nodes
// behind it, and gives two functions (suspension_type): what follows a wait, and how to take it
// back. The order of things is that of a goroutine's wait:
//
//   coroutine_wait wait(state, type);       who waits, in which runtime; may throw
//   if (wait.must_exit()) ...               before any lock is taken
//   lock; look again; link a node whose owner is wait.who()
//   wait.commit(unlock, &object, timer);    nothing of the coroutine may be touched from here on
//
//   finish(suspension, won)                 on a worker: unlink, under the lock, unless a partner
//                                           won; on claim_retry start again
//
// no_touch_after_commit: commit reads what it needs first; the word opens and the last lock goes
//   when all is in place. The coroutine may be resumed and destroyed before commit returns.
// Proved by: tests/conformance/coro_*.cpp, tests/stress/coro_stress.cpp.
#pragma once

#include <coroutine>
#include <cstdint>
#include <exception>
#include <new>

#include "park/park.hpp"
#include "sched/current.hpp"
#include "sched/suspension.hpp"
#include "weft/detail/async.hpp"

namespace weft::detail {

#if !defined(WEFT_MODEL)  // whose atomics are larger; it has no coroutines
static_assert(sizeof(suspension) <= sizeof(async_state::memory));
#endif
static_assert(alignof(suspension) <= alignof(async_state));

inline suspension& suspension_of(async_state& state) noexcept {
  return *std::launder(reinterpret_cast<suspension*>(state.memory));
}
// The whole state of an operation, which begins with its suspension.
template <class State>
State& state_of(suspension& s) noexcept {
  return *std::launder(reinterpret_cast<State*>(&s));
}

// As a seed's invoke function.
void resume_coroutine(seed*, worker*, seed_action);

class coroutine_wait {
 public:
  // For a coroutine that suspends. Throws if the default runtime cannot be started.
  coroutine_wait(async_state& state, std::coroutine_handle<> who, const suspension_type& type);
  // For one that finished a wait and has to wait again.
  explicit coroutine_wait(async_state& state) noexcept : state_(state), suspension_(suspension_of(state)) {}

  // Whether the run has ended: then the co_await throws. Returns when all waits are decided.
  bool must_exit() const noexcept;
  waiter* who() noexcept { return &suspension_.wait(); }
  runtime_core& core() noexcept { return *suspension_.core; }
  // Opens the claim word, arms the timer and lets go of the locks.
  void commit(wait_scope::unlock_function unlock, void* argument, timer_node* timer) noexcept;
  // Lets the others go first and then goes on, with claim_timeout.
  void commit_yield() noexcept;

 private:
  async_state& state_;
  suspension& suspension_;
};

// Runs a part of an await that may throw; what it throws becomes the outcome. True: suspended.
template <class Start>
bool start_async(async_state& state, Start start) noexcept {
  try {
    return start();
  } catch (const goroutine_exit&) {
    state.outcome = async_outcome::exit;
  } catch (...) {
    state.outcome = async_outcome::failed;
    state.error = std::current_exception();
  }
  return false;
}

}  // namespace weft::detail
