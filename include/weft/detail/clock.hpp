// weft::clock, and how a duration or a time point becomes the one number that a wait is given.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>

namespace weft {

/// The clock that every wait, timer and time-out of weft goes by: steady, in nanoseconds.
/// Meets the standard's *TrivialClock* requirements. `now()` costs about 30 ns.
struct clock {
  using duration = std::chrono::nanoseconds;                  ///< what it counts in
  using rep = duration::rep;                                  ///< 64 bits
  using period = duration::period;                            ///< nano
  using time_point = std::chrono::time_point<clock>;          ///< what `_until` calls take
  static constexpr bool is_steady = true;                     ///< setting the system's time does not move it

  /// The time. From any thread.
  [[nodiscard]] static time_point now() noexcept;
};

namespace detail {

// Until when an operation may wait, in clock's nanoseconds.
struct deadline {
  std::int64_t at;

  // Never waits: the try_ operations.
  static constexpr deadline none() noexcept {
    return {std::numeric_limits<std::int64_t>::min()};
  }
  static constexpr deadline never() noexcept { return {std::numeric_limits<std::int64_t>::max()}; }
  constexpr bool is_none() const noexcept { return at == none().at; }
  constexpr bool is_never() const noexcept { return at == never().at; }
};

// Rounds up, since no time-out may come early, and saturates: a duration beyond what 64 bits of
// nanoseconds hold is for ever.
template <class Rep, class Period>
constexpr std::int64_t to_nanoseconds(std::chrono::duration<Rep, Period> d) {
  using std::chrono::nanoseconds;
  constexpr std::int64_t limit = std::numeric_limits<std::int64_t>::max() / 2;
  using seconds = std::chrono::duration<double>;
  if (seconds(d) >= seconds(nanoseconds(limit))) return limit;
  if (seconds(d) <= seconds(nanoseconds(-limit))) return -limit;
  return std::chrono::ceil<nanoseconds>(d).count();
}

template <class Rep, class Period>
deadline deadline_after(std::chrono::duration<Rep, Period> d) {
  const std::int64_t ns = to_nanoseconds(d);
  const std::int64_t now = clock::now().time_since_epoch().count();
  if (ns >= std::numeric_limits<std::int64_t>::max() / 2) return deadline::never();
  return {now + ns};
}

template <class Clock, class Duration>
deadline deadline_at(std::chrono::time_point<Clock, Duration> tp) {
  if constexpr (std::is_same_v<Clock, clock>) {
    const std::int64_t ns = to_nanoseconds(tp.time_since_epoch());
    if (ns >= std::numeric_limits<std::int64_t>::max() / 2) return deadline::never();
    return {ns};
  } else {
    // Each in nanoseconds first: the difference of two points may overflow.
    const std::int64_t at = to_nanoseconds(tp.time_since_epoch());
    const std::int64_t now = to_nanoseconds(Clock::now().time_since_epoch());
    if (at >= std::numeric_limits<std::int64_t>::max() / 2) return deadline::never();
    return deadline_after(std::chrono::nanoseconds(at - now));
  }
}

}  // namespace detail
}  // namespace weft
