// Wait groups, and all of synchronisation: this header includes the others in weft/sync/.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include <weft/detail/clock.hpp>
#include <weft/detail/seed.hpp>
#include <weft/detail/wait_node.hpp>
#include <weft/sync/barrier.hpp>
#include <weft/sync/concurrent_map.hpp>
#include <weft/sync/condition_variable.hpp>
#include <weft/sync/latch.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/sync/once.hpp>
#include <weft/sync/pool.hpp>
#include <weft/sync/semaphore.hpp>
#include <weft/sync/shared_mutex.hpp>
#include <weft/sync/single_flight.hpp>

namespace weft {

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
