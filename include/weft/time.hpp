// Sleeping, timers, tickers.
#pragma once

#include <chrono>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include <weft/chan.hpp>
#include <weft/coro.hpp>
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

// What a timer of after_func calls, perhaps several times at once.
struct timer_function {
  virtual ~timer_function() = default;
  virtual void call() = 0;
};
template <class F>
struct timer_function_of final : timer_function {
  template <class From>
  explicit timer_function_of(From&& f) : function(std::forward<From>(f)) {}
  void call() override { std::invoke(function); }
  F function;
};

struct timer_state;
timer_state* make_timer(deadline);
timer_state* make_function_timer(deadline, std::unique_ptr<timer_function>);
timer_state* make_ticker(std::int64_t period);
void reset_ticker(timer_state*, std::int64_t period);
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

/// One tick after a time, or one call of a function (after_func). Movable. Its members may be called
/// from several goroutines and threads at once; none of them waits. Destroying it stops it, unless it
/// comes from after_func. stop() and reset() may race with the firing: after either has returned no
/// tick of before is received (as in Go 1.23). A timer costs an allocation when it is made; setting
/// it again costs none. One that is set when its runtime ends goes on in the default runtime.
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

  /// Where the tick arrives: the time at which it was sent. It buffers one tick. Of a timer from
  /// after_func: the nil channel.
  [[nodiscard]] recv_chan<clock::time_point> channel() const {
    return detail::timer_channel(state_);
  }
  /// True if the tick was not received yet, or the function not started; it never will be then.
  /// Does not wait for a function that runs.
  bool stop() { return detail::stop_timer(state_); }
  /// Sets it to fire once more, so long from now. True if the tick before was not received yet, or
  /// the function not started. A function may so run while its last call still does.
  template <class Rep, class Period>
  bool reset(std::chrono::duration<Rep, Period> d) {
    return detail::reset_timer(state_, detail::deadline_after(d));
  }

 private:
  explicit timer(detail::timer_state* state) noexcept : state_(state) {}
  template <class Rep, class Period, class F>
    requires std::invocable<std::decay_t<F>&>
  friend timer after_func(std::chrono::duration<Rep, Period> d, F&& f);

  detail::timer_state* state_;
};

/// Calls f in a goroutine of its own, so long from now, in the runtime of the caller (on a plain
/// thread the default one). What f throws is uncaught. Never waits. Destroying the timer does not
/// stop it. Move-only functions are fine; after a reset() the same object is called again.
template <class Rep, class Period, class F>
  requires std::invocable<std::decay_t<F>&>
timer after_func(std::chrono::duration<Rep, Period> d, F&& f) {
  static_assert(!detail::makes_coro<std::decay_t<F>&>,
                "weft::after_func: f returns a coro, which nobody would run; let f start it by weft::go");
  return timer(detail::make_function_timer(
      detail::deadline_after(d),
      std::make_unique<detail::timer_function_of<std::decay_t<F>>>(std::forward<F>(f))));
}

/// A tick every d. Movable; its members may be called by several goroutines and threads at once, and
/// never wait. The ticks stand on a grid: the start plus a whole number of periods, none of them
/// early. Its channel buffers one tick; ticks that meet one that nobody has received are dropped,
/// and those that are late are skipped, so it does not drift. Destroying it stops it, without
/// closing the channel.
class ticker {
 public:
  /// @throws std::invalid_argument unless d is positive.
  template <class Rep, class Period>
  explicit ticker(std::chrono::duration<Rep, Period> d)
      : state_(detail::make_ticker(detail::to_nanoseconds(d))) {}
  /// The other may only be destroyed or assigned to.
  ticker(ticker&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  /// Exchanges the two.
  ticker& operator=(ticker&& other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  ~ticker() {
    if (state_ != nullptr) detail::release_timer(state_, true);
  }

  /// Where the ticks arrive: the time at which each was sent.
  [[nodiscard]] recv_chan<clock::time_point> channel() const {
    return detail::timer_channel(state_);
  }
  /// No more ticks: one that was not received yet is taken away.
  void stop() { detail::stop_timer(state_); }
  /// From now on a tick every d, the first after d; also after a stop(). No tick of before is
  /// received. @throws std::invalid_argument unless d is positive; it goes on as before then.
  template <class Rep, class Period>
  void reset(std::chrono::duration<Rep, Period> d) {
    detail::reset_ticker(state_, detail::to_nanoseconds(d));
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
