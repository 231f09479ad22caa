// A count that goes down to zero once.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include <weft/detail/clock.hpp>
#include <weft/detail/wait_queue.hpp>

namespace weft {

/// Opens once its count is zero and stays open: std::latch for goroutines and plain threads, with
/// exceptions where that has preconditions. Counting down is one atomic operation unless it opens
/// the latch for somebody who waits.
class latch {
 public:
  /// The largest count.
  static constexpr std::ptrdiff_t max() noexcept { return PTRDIFF_MAX / 4; }

  /// @throws std::invalid_argument if the count is negative or above max().
  explicit latch(std::ptrdiff_t expected);
  latch(const latch&) = delete;
  latch& operator=(const latch&) = delete;

  /// Never waits. @throws std::logic_error if n is negative or more than is left; nothing is
  /// changed then.
  void count_down(std::ptrdiff_t n = 1);
  /// Whether the count is zero. Never waits.
  [[nodiscard]] bool try_wait() const noexcept {
    return word_.load(std::memory_order_acquire) == 0;  // pairs with count_down()
  }
  /// Waits until the count is zero. @throws goroutine_exit when the run ends meanwhile.
  void wait() const { wait_until_open(detail::deadline::never()); }
  /// Waits so long, or until then, at most; false: not zero by then.
  template <class Rep, class Period>
  bool wait_for(std::chrono::duration<Rep, Period> limit) const {
    return wait_until_open(detail::deadline_after(limit));
  }
  /// The same until a point in time.
  template <class Clock, class Duration>
  bool wait_until(std::chrono::time_point<Clock, Duration> limit) const {
    return wait_until_open(detail::deadline_at(limit));
  }
  /// Counts down, and waits until the count is zero.
  void arrive_and_wait(std::ptrdiff_t n = 1) {
    count_down(n);
    wait();
  }

 private:
  bool wait_until_open(detail::deadline) const;

  // Bit 0: somebody works on the queue. Bit 1: the queue is not empty. From bit 2: the count.
  mutable detail::locked_word word_;
  mutable detail::wait_queue queue_;  // guarded by bit 0
};

}  // namespace weft
