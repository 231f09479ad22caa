// Wait groups, and all of synchronisation: this header includes the others in weft/sync/.
#pragma once

#include <atomic>
#include <chrono>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include <weft/coro.hpp>
#include <weft/detail/async.hpp>
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

class wait_group;

namespace detail {

struct async_group_state : async_state {
  explicit async_group_state(wait_group* g) noexcept : group(g) {}
  ~async_group_state() {
    if (suspended) withdraw_async(*this);
  }
  wait_node node{};
  wait_group* group;
};

}  // namespace detail

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
  /// For a coroutine: `co_await group.async_wait()` is wait(). Any coroutine may await it, once.
  auto async_wait() { return async_awaiter(this); }
  /// Counts one more and starts a goroutine that counts it off when f is done and destroyed. What
  /// f throws is uncaught. f may be a coro, or return one: then it counts until that has ended.
  template <class F>
    requires((std::invocable<std::decay_t<F>> || detail::is_coro<std::decay_t<F>>) &&
             std::constructible_from<std::decay_t<F>, F>)
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
      decltype(auto) operator()() && { return detail::invoke_or_take(std::move(callable)); }
    };
    begin_started();
    auto task = detail::bind_callable(counted{typename counted::count_off(this), std::move(callable)});
    detail::submit_seed(detail::make_start_seed(std::move(task)));
  }

 private:
  void change(std::ptrdiff_t n);
  void begin_started();
  void finish_started() noexcept;
  bool wait_until_zero(detail::deadline);
  bool is_zero() const noexcept;
  std::uint64_t lock_queue() noexcept;
  static void unlock_queue(void* group);
  bool lock_to_wait() noexcept;
  void link_locked(detail::wait_node&) noexcept;
  void take_out(detail::wait_node&) noexcept;

  struct async_functions;
  static bool async_suspend(detail::async_group_state&, std::coroutine_handle<>) noexcept;
  class [[nodiscard]] async_awaiter {
   public:
    explicit async_awaiter(wait_group* group) noexcept : state_(group) {}
    async_awaiter(async_awaiter&& other) noexcept : state_(other.state_.group) {}
    bool await_ready() const noexcept { return state_.group->is_zero(); }
    bool await_suspend(std::coroutine_handle<> who) noexcept { return async_suspend(state_, who); }
    void await_resume() { rethrow_async(state_); }

   private:
    detail::async_group_state state_;
  };

  // Bit 0: somebody works on the queue. Bit 1: the queue is not empty. From bit 2: the count.
  std::atomic<std::uint64_t> word_{0};
  std::atomic<bool> started_any_{false};  // go() was used: the destructor waits
  detail::wait_node* first_ = nullptr;    // guarded by bit 0
  detail::wait_node* last_ = nullptr;
};

}  // namespace weft
