// A lock that readers share.
#pragma once

#include <atomic>
#include <cstdint>

#include <weft/detail/wait_queue.hpp>

namespace weft {

/// A lock that either one writer or any number of readers hold, for goroutines and plain threads.
/// Meets the standard's *Lockable* and *SharedLockable*: std::unique_lock, std::scoped_lock and
/// std::shared_lock work. Each may be unlocked by another goroutine than locked it.
///
/// Nobody starves: once a writer waits, readers that come later wait behind it; a writer that
/// unlocks lets in all the readers that wait by then, and after them the next writer, first come
/// first served. So a goroutine that holds it shared must not lock it shared again: with a writer
/// waiting in between that is a deadlock, as with Go's RWMutex.
///
/// Uncontended, each operation is one atomic operation.
class shared_mutex {
 public:
  constexpr shared_mutex() noexcept = default;
  shared_mutex(const shared_mutex&) = delete;
  shared_mutex& operator=(const shared_mutex&) = delete;

  /// Waits until it can be held alone. @throws goroutine_exit when the run ends meanwhile.
  void lock() {
    std::uint64_t expected = 0;
    if (!word_.compare_exchange_strong(expected, writer, std::memory_order_acquire,
                                       std::memory_order_relaxed)) {
      lock_slow();
    }
  }
  /// Never waits.
  bool try_lock() noexcept;
  /// Never waits. @throws std::logic_error if no writer holds it.
  void unlock() {
    std::uint64_t expected = writer;
    if (!word_.compare_exchange_strong(expected, 0, std::memory_order_release,
                                       std::memory_order_relaxed)) {
      unlock_slow();
    }
  }

  /// Waits until it can be held together with other readers. @throws goroutine_exit when the run
  /// ends meanwhile.
  void lock_shared() {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    while ((word & (queue | writer | writers_wait)) == 0) {
      if (word_.compare_exchange_weak(word, word + reader, std::memory_order_acquire,
                                      std::memory_order_relaxed)) {
        return;
      }
    }
    lock_shared_slow();
  }
  /// Never waits; fails while a writer waits, too.
  bool try_lock_shared() noexcept;
  /// Never waits. @throws std::logic_error if no reader holds it.
  void unlock_shared() {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    while ((word & queue) == 0 &&
           (word >= 2 * reader || (word >= reader && (word & writers_wait) == 0))) {
      if (word_.compare_exchange_weak(word, word - reader, std::memory_order_release,
                                      std::memory_order_relaxed)) {
        return;
      }
    }
    unlock_shared_slow();
  }

 private:
  static constexpr std::uint64_t queue = 1;         // somebody works on the queues
  static constexpr std::uint64_t writer = 2;        // a writer holds it
  static constexpr std::uint64_t writers_wait = 4;  // writers_ is not empty
  static constexpr std::uint64_t readers_wait = 8;  // readers_ is not empty
  static constexpr std::uint64_t reader = 16;       // from here on: how many readers hold it
  void lock_slow();
  void unlock_slow();
  void lock_shared_slow();
  void unlock_shared_slow();
  std::uint64_t admit(std::uint64_t seen, bool readers_first, detail::wake_list&) noexcept;
  void wait_for_turn(detail::wait_scope&, std::uint64_t seen, bool shared);

  detail::locked_word word_{0};
  detail::wait_queue writers_;  // both guarded by `queue`
  detail::wait_queue readers_;
};

}  // namespace weft
