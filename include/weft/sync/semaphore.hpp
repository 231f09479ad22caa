// A number of permits.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include <weft/detail/clock.hpp>
#include <weft/detail/wait_queue.hpp>

namespace weft {

/// n permits, of which each caller takes some and gives them back; for goroutines and plain
/// threads. First come, first served: a large request is not overtaken by small ones. Whoever has
/// not taken permits may give them back, too, as long as there are never more than n.
/// Uncontended, each operation is one atomic operation.
class semaphore {
 public:
  /// All n permits are there. @throws std::invalid_argument if n is negative or above max().
  explicit semaphore(std::ptrdiff_t n);
  semaphore(const semaphore&) = delete;
  semaphore& operator=(const semaphore&) = delete;

  /// The largest number of permits.
  static constexpr std::ptrdiff_t max() noexcept { return PTRDIFF_MAX / 4; }

  /// Waits for k permits at once. @throws std::invalid_argument if k is negative or more than n;
  /// goroutine_exit when the run ends meanwhile.
  void acquire(std::ptrdiff_t k = 1) {
    if (!take(k)) acquire_until(k, detail::deadline::never());
  }
  /// Never waits; fails while others wait, too. @throws std::invalid_argument as acquire().
  bool try_acquire(std::ptrdiff_t k = 1) { return take(k) || try_acquire_slow(k); }
  /// Waits so long at most; false: no permit was taken. @throws as acquire().
  template <class Rep, class Period>
  bool try_acquire_for(std::ptrdiff_t k, std::chrono::duration<Rep, Period> limit) {
    return take(k) || acquire_until(k, detail::deadline_after(limit));
  }
  /// The same for one permit.
  template <class Rep, class Period>
  bool try_acquire_for(std::chrono::duration<Rep, Period> limit) {
    return try_acquire_for(1, limit);
  }
  /// The same until a point in time.
  template <class Clock, class Duration>
  bool try_acquire_until(std::ptrdiff_t k, std::chrono::time_point<Clock, Duration> limit) {
    return take(k) || acquire_until(k, detail::deadline_at(limit));
  }
  /// The same for one permit.
  template <class Clock, class Duration>
  bool try_acquire_until(std::chrono::time_point<Clock, Duration> limit) {
    return try_acquire_until(1, limit);
  }
  /// Gives k permits back. Never waits. @throws std::logic_error if there would be more than n, or
  /// k is negative; nothing is changed then.
  void release(std::ptrdiff_t k = 1) {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    while ((word & (queue | waiting)) == 0 && k >= 0 && k <= n_ - available(word)) {
      // Release: pairs with take().
      if (word_.compare_exchange_weak(word, word + to_word(k), std::memory_order_release,
                                      std::memory_order_relaxed)) {
        return;
      }
    }
    release_slow(k);
  }

 private:
  static constexpr std::uint64_t queue = 1;    // somebody works on the queue
  static constexpr std::uint64_t waiting = 2;  // the queue is not empty
  static constexpr std::uint64_t one = 4;      // from here on: the permits that are there
  static constexpr std::ptrdiff_t available(std::uint64_t word) noexcept {
    return static_cast<std::ptrdiff_t>(word / one);
  }
  static constexpr std::uint64_t to_word(std::ptrdiff_t k) noexcept {
    return static_cast<std::uint64_t>(k) * one;
  }
  bool take(std::ptrdiff_t k) noexcept {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    while ((word & (queue | waiting)) == 0 && k >= 0 && k <= available(word)) {
      if (word_.compare_exchange_weak(word, word - to_word(k), std::memory_order_acquire,
                                      std::memory_order_relaxed)) {
        return true;
      }
    }
    return false;
  }
  void check_request(std::ptrdiff_t k) const;
  bool try_acquire_slow(std::ptrdiff_t k);
  bool acquire_until(std::ptrdiff_t k, detail::deadline);
  void release_slow(std::ptrdiff_t k);
  std::uint64_t serve(std::uint64_t seen, detail::wake_list&) noexcept;

  detail::locked_word word_;
  const std::ptrdiff_t n_;
  detail::wait_queue queue_;  // guarded by `queue`
};

}  // namespace weft
