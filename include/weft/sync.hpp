// Mutexes and wait groups.
#pragma once

#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include <weft/detail/clock.hpp>
#include <weft/detail/seed.hpp>
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

/// Waits for a number of goroutines, or of anything else that is counted. May be used again after
/// wait() has returned. May be destroyed as soon as the last wait() has returned.
class wait_group {
 public:
  constexpr wait_group() noexcept = default;
  wait_group(const wait_group&) = delete;
  wait_group& operator=(const wait_group&) = delete;
  /// Waits for what go() has started.
  ~wait_group();

  /// Counts n more, or fewer. @throws std::logic_error below zero; the count stays then.
  void add(std::ptrdiff_t n) { change(n); }
  /// Counts one less. @throws std::logic_error below zero.
  void done() { change(-1); }
  /// Waits until the count is zero.
  void wait() { wait_until_zero(detail::deadline::never()); }
  /// Waits so long at most; false: not zero by then.
  template <class Rep, class Period>
  bool wait_for(std::chrono::duration<Rep, Period> limit) {
    return wait_until_zero(detail::deadline_after(limit));
  }
  /// Counts one more and starts a goroutine that counts it off when f is done and destroyed. What
  /// f throws is uncaught.
  template <class F>
    requires std::invocable<std::decay_t<F>> && std::constructible_from<std::decay_t<F>, F>
  void go(F&& f) {
    auto callable = detail::bind_callable(std::forward<F>(f));
    using Callable = decltype(callable);
    // The callable is destroyed before the count goes down.
    struct counted {
      struct count_off {
        wait_group* group;
        explicit count_off(wait_group* g) noexcept : group(g) {}
        count_off(count_off&& other) noexcept : group(std::exchange(other.group, nullptr)) {}
        ~count_off() {
          if (group != nullptr) group->finish_started();
        }
      } at_end;
      Callable callable;
      void operator()() && { std::invoke(std::move(callable)); }
    };
    begin_started();
    auto task = detail::bind_callable(counted{typename counted::count_off(this), std::move(callable)});
    detail::submit_seed(detail::make_detached_seed(std::move(task)));
  }

 private:
  void change(std::ptrdiff_t n);
  void begin_started();
  void finish_started() noexcept;
  bool wait_until_zero(detail::deadline);

  // Bit 0: somebody works on the queue. Bit 1: the queue is not empty. From bit 2: the count.
  std::atomic<std::uint64_t> word_{0};
  std::atomic<bool> started_any_{false};  // go() was used: the destructor waits
  detail::wait_node* first_ = nullptr;    // guarded by bit 0
  detail::wait_node* last_ = nullptr;
};

}  // namespace weft
