// How long a call may wait for a descriptor, a process or an address, and how its wait ended.
// <weft/io.hpp>, <weft/os.hpp> and <weft/net.hpp> include this.
#pragma once

#include <chrono>
#include <utility>

#include <weft/context.hpp>
#include <weft/detail/clock.hpp>

namespace weft {

/// How long one call may wait, made from what you have. Default: for ever.
class wait_limit {
 public:
  /// For ever.
  wait_limit() noexcept : limit_(detail::deadline::never()) {}
  /// So long from now.
  template <class Rep, class Period>
  wait_limit(std::chrono::duration<Rep, Period> d) : limit_(detail::deadline_after(d)) {}
  /// Until then: one point for a whole exchange.
  template <class Duration>
  wait_limit(std::chrono::time_point<clock, Duration> at) noexcept
      : limit_(detail::deadline_at(at)) {}

  /// Until the context is done: `cancelled`, or `timeout` if it was its deadline. What is ready is
  /// done all the same.
  wait_limit(context ctx) noexcept
      : limit_(detail::deadline::never()), context_(std::move(ctx)) {}
  /// For weft itself.
  detail::deadline get() const noexcept { return limit_; }
  /// For weft itself.
  const context& ends_with() const noexcept { return context_; }

 private:
  detail::deadline limit_;
  context context_;
};

/// How a wait for a descriptor ended.
enum class wait_status {
  ready,     ///< the next call will not block
  timeout,   ///< the limit came first, or its context's deadline
  cancelled  ///< by its context or by cancel_waits()
};

}  // namespace weft
