// Sleeping and timers.
#pragma once

#include <chrono>
#include <coroutine>
#include <cstddef>
#include <functional>
#include <utility>

#include <weft/chan.hpp>
#include <weft/detail/async.hpp>
#include <weft/detail/clock.hpp>

namespace weft {
namespace detail {

void sleep_until(deadline);

struct async_sleep_state : async_state {
  explicit async_sleep_state(deadline d) noexcept : at(d) {}
  ~async_sleep_state() {
    if (suspended) withdraw_async(*this);
  }
  alignas(void*) std::byte timer[72];
  deadline at;
};
bool async_sleep_suspend(async_sleep_state&, std::coroutine_handle<>) noexcept;

class [[nodiscard]] async_sleep_awaiter {
 public:
  explicit async_sleep_awaiter(deadline at) noexcept : state_(at) {}
  async_sleep_awaiter(async_sleep_awaiter&& other) noexcept : state_(other.state_.at) {}
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> who) noexcept {
    return async_sleep_suspend(state_, who);
  }
  void await_resume() { rethrow_async(state_); }

 private:
  async_sleep_state state_;
};

struct timer_state;
timer_state* make_timer(deadline);
void release_timer(timer_state*, bool stop) noexcept;
bool stop_timer(timer_state*);
bool reset_timer(timer_state*, deadline);
recv_chan<clock::time_point> timer_channel(const timer_state*);

}  // namespace detail

/// Waits at least so long, and on an idle machine at most a millisecond longer. Nothing or a past
/// point: as yield().
template <class Rep, class Period>
void sleep_for(std::chrono::duration<Rep, Period> d) {
  detail::sleep_until(detail::deadline_after(d));
}
/// Waits until that point of any clock, or a moment longer. A past one: as yield().
template <class Clock, class Duration>
void sleep_until(std::chrono::time_point<Clock, Duration> at) {
  detail::sleep_until(detail::deadline_at(at));
}

/// For a coroutine: `co_await async_sleep_for(d)`. Counts from the call. Any coroutine may await it,
/// once. Nothing is allocated.
template <class Rep, class Period>
auto async_sleep_for(std::chrono::duration<Rep, Period> d) {
  return detail::async_sleep_awaiter(detail::deadline_after(d));
}
/// The same until a point of any clock.
template <class Clock, class Duration>
auto async_sleep_until(std::chrono::time_point<Clock, Duration> at) {
  return detail::async_sleep_awaiter(detail::deadline_at(at));
}

/// One tick after a time. Movable. Destroying it stops it. stop() and reset() may race with the
/// firing: after either has returned no tick of before is received (as in Go 1.23).
/// A timer costs an allocation when it is made; setting it again costs none.
class timer {
 public:
  /// Starts it: it ticks so long from now.
  template <class Rep, class Period>
  explicit timer(std::chrono::duration<Rep, Period> d)
      : state_(detail::make_timer(detail::deadline_after(d))) {}
  /// The other may only be destroyed or assigned to.
  timer(timer&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  /// Exchanges the two.
  timer& operator=(timer&& other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  /// Stops it. Never waits.
  ~timer() {
    if (state_ != nullptr) detail::release_timer(state_, true);
  }

  /// Where the tick arrives: the time at which it was sent. It buffers one tick.
  [[nodiscard]] recv_chan<clock::time_point> channel() const {
    return detail::timer_channel(state_);
  }
  /// True if the tick was not received yet; it never will be then.
  bool stop() { return detail::stop_timer(state_); }
  /// Sets it to tick once more, so long from now. True if the tick before was not received yet.
  template <class Rep, class Period>
  bool reset(std::chrono::duration<Rep, Period> d) {
    return detail::reset_timer(state_, detail::deadline_after(d));
  }

 private:
  detail::timer_state* state_;
};

/// A channel that gives one tick, so long from now. Lives until then, received or not.
template <class Rep, class Period>
recv_chan<clock::time_point> after(std::chrono::duration<Rep, Period> d) {
  detail::timer_state* state = detail::make_timer(detail::deadline_after(d));
  recv_chan<clock::time_point> channel = detail::timer_channel(state);
  detail::release_timer(state, false);
  return channel;
}

}  // namespace weft
