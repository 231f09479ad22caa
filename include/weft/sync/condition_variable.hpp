// Condition variables.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

#include <weft/detail/clock.hpp>
#include <weft/detail/wait_queue.hpp>
#include <weft/sync/mutex.hpp>

namespace weft {

/// Waits for a change that others announce, under a weft::mutex; for goroutines and plain threads.
/// As std::condition_variable, but a wait ends only by a notification or its time-out, never
/// spuriously, and those who wait are notified first come first served. No notification is lost:
/// one that meets a wait that is just ending otherwise goes to the next.
///
/// A wait that has begun always leaves with the mutex locked, by an exception too. When a run ends
/// the mutex is waited for even so; in a deadlock, if its holder never lets go, the process aborts
/// with the dump, since nothing can be thrown then.
///
/// All members may be called at once from anywhere. A notification that nobody waits for costs a
/// load.
class condition_variable {
 public:
  constexpr condition_variable() noexcept = default;
  condition_variable(const condition_variable&) = delete;
  condition_variable& operator=(const condition_variable&) = delete;

  /// Ends the longest of the waits. Never waits.
  void notify_one() noexcept {
    // Who waits said so before it unlocked the mutex under which the caller changed something.
    if (word_.load(std::memory_order_relaxed) != 0) notify(false);
  }
  /// Ends all waits. Never waits.
  void notify_all() noexcept {
    if (word_.load(std::memory_order_relaxed) != 0) notify(true);
  }

  /// Unlocks, waits for a notification, locks again. @throws std::logic_error if the lock is not
  /// held; goroutine_exit when the run ends.
  void wait(std::unique_lock<mutex>& lock) { wait_until_notified(lock, detail::deadline::never()); }
  /// Waits until the predicate holds; it is called with the mutex locked.
  template <class Predicate>
  void wait(std::unique_lock<mutex>& lock, Predicate holds) {
    while (!holds()) wait(lock);
  }
  /// Waits so long at most.
  template <class Rep, class Period>
  std::cv_status wait_for(std::unique_lock<mutex>& lock, std::chrono::duration<Rep, Period> limit) {
    return wait_until_notified(lock, detail::deadline_after(limit));
  }
  /// Waits until the predicate holds, so long at most. Whether it holds.
  template <class Rep, class Period, class Predicate>
  bool wait_for(std::unique_lock<mutex>& lock, std::chrono::duration<Rep, Period> limit,
                Predicate holds) {
    return wait_until_true(lock, detail::deadline_after(limit), holds);
  }
  /// Waits until then at most, by any clock; weft::clock and steady ones are exact.
  template <class Clock, class Duration>
  std::cv_status wait_until(std::unique_lock<mutex>& lock,
                            std::chrono::time_point<Clock, Duration> limit) {
    return wait_until_notified(lock, detail::deadline_at(limit));
  }
  /// Waits until the predicate holds, until then at most. Whether it holds.
  template <class Clock, class Duration, class Predicate>
  bool wait_until(std::unique_lock<mutex>& lock, std::chrono::time_point<Clock, Duration> limit,
                  Predicate holds) {
    return wait_until_true(lock, detail::deadline_at(limit), holds);
  }

 private:
  void notify(bool all) noexcept;
  std::cv_status wait_until_notified(std::unique_lock<mutex>&, detail::deadline);
  template <class Predicate>
  bool wait_until_true(std::unique_lock<mutex>& lock, detail::deadline limit, Predicate& holds) {
    while (!holds()) {
      if (wait_until_notified(lock, limit) == std::cv_status::timeout) return holds();
    }
    return true;
  }

  detail::locked_word word_{0};  // bit 0: somebody works on the queue; bit 1: it is not empty
  detail::wait_queue queue_;     // guarded by bit 0
};

}  // namespace weft
