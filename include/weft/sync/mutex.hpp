// Mutual exclusion.
#pragma once

#include <atomic>
#include <cstdint>

#include <weft/detail/wait_node.hpp>

namespace weft {

/// A mutual exclusion lock for goroutines and plain threads. Meets the standard's *Lockable*, so
/// std::lock_guard, std::scoped_lock and std::unique_lock work. It may be unlocked by another
/// goroutine than locked it. Not recursive. Nobody starves: who has lost the lock once to somebody
/// who came later gets it handed over. Uncontended, lock and unlock cost about 20 ns together.
class mutex {
 public:
  constexpr mutex() noexcept = default;
  mutex(const mutex&) = delete;
  mutex& operator=(const mutex&) = delete;

  /// Waits for the lock. @throws goroutine_exit when the run ends meanwhile.
  void lock() {
    std::uint32_t expected = 0;
    if (!word_.compare_exchange_strong(expected, locked, std::memory_order_acquire,
                                       std::memory_order_relaxed)) {
      lock_slow();
    }
  }
  /// Never waits.
  bool try_lock() noexcept {
    std::uint32_t word = word_.load(std::memory_order_relaxed);
    while ((word & locked) == 0) {
      if (word_.compare_exchange_weak(word, word | locked, std::memory_order_acquire,
                                      std::memory_order_relaxed)) {
        return true;
      }
    }
    return false;
  }
  /// Never waits. @throws std::logic_error if it is not locked.
  void unlock() {
    std::uint32_t expected = locked;
    if (!word_.compare_exchange_strong(expected, 0, std::memory_order_release,
                                       std::memory_order_relaxed)) {
      unlock_slow();
    }
  }

 private:
  static constexpr std::uint32_t locked = 1;   // somebody holds the mutex
  static constexpr std::uint32_t waiting = 2;  // the queue is not empty
  static constexpr std::uint32_t queue = 4;    // somebody works on the queue
  void lock_slow();
  void unlock_slow();
  std::uint32_t acquire_queue(std::uint32_t required, std::uint32_t set) noexcept;

  std::atomic<std::uint32_t> word_{0};
  detail::wait_node* first_ = nullptr;  // guarded by `queue`
  detail::wait_node* last_ = nullptr;
};

}  // namespace weft
