// Sleeping in a coroutine: a timer in the awaiter. See park/coroutine.hpp.
// Proved by: tests/conformance/coro_wait.cpp.
#include <new>

#include "base/futex.hpp"
#include "park/coroutine.hpp"
#include "weft/time.hpp"

namespace weft::detail {

static_assert(sizeof(timer_node) <= sizeof(async_sleep_state::timer));

namespace {

void leave(suspension& s) noexcept {
  tsan_blind blind;
  timer_wheel::remove(
      *std::launder(reinterpret_cast<timer_node*>(state_of<async_sleep_state>(s).timer)));
}

bool finish(suspension& s, std::uint32_t won) noexcept {
  leave(s);
  if (won == claim_exit) state_of<async_sleep_state>(s).outcome = async_outcome::exit;
  return true;
}

constexpr suspension_type sleeping{"sleep", &finish, &leave};

}  // namespace

bool async_sleep_suspend(async_sleep_state& state, std::coroutine_handle<> who) noexcept {
  return start_async(state, [&] {
    coroutine_wait wait(state, who, sleeping);
    if (wait.must_exit()) {
      state.outcome = async_outcome::exit;
      return false;
    }
    auto* timer = ::new (static_cast<void*>(state.timer)) timer_node;
    if (state.at.at <= steady_now()) {
      wait.commit_yield();
      return true;
    }
    timer->at = state.at.at;
    timer->sleeper = wait.who();
    wait.commit(nullptr, nullptr, state.at.is_never() ? nullptr : timer);
    return true;
  });
}

}  // namespace weft::detail
