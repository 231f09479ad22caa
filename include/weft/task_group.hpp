// A group of goroutines that work on one thing: waiting for all of them, the first exception, a
// limit on how many run at once (Go's errgroup).
#pragma once

#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include <weft/context.hpp>
#include <weft/coro.hpp>
#include <weft/detail/seed.hpp>
#include <weft/runtime.hpp>

namespace weft {
namespace detail {

struct task_group_state;
task_group_state* make_task_group(context parent);
void end_task_group(task_group_state*) noexcept;  // cancels, waits, frees
void limit_task_group(task_group_state&, std::ptrdiff_t);
void begin_task(task_group_state&);
bool try_begin_task(task_group_state&);
void fail_task(task_group_state&, std::exception_ptr) noexcept;
void finish_task(task_group_state&) noexcept;
void wait_for_tasks(task_group_state&);
const context& context_of(const task_group_state&) noexcept;

template <class F>
concept task_function = std::invocable<F> || is_coro<F>;

// A task's place in its group, from begin_task on.
class task_place {
 public:
  explicit task_place(task_group_state& group) noexcept : group_(&group) {}
  task_place(task_place&& other) noexcept : group_(std::exchange(other.group_, nullptr)) {}
  task_place& operator=(task_place&&) = delete;
  ~task_place() {
    if (group_ != nullptr) finish_task(*group_);
  }
  task_group_state& group() const noexcept { return *group_; }

 private:
  task_group_state* group_;
};

}  // namespace detail

/// Starts tasks as goroutines and waits for them. The first exception that leaves one cancels ctx(),
/// with itself as the cause, so that the others can stop early; wait() rethrows it after all have
/// ended. A task that exit_goroutine() leaves, or that its run's end keeps from starting or unwinds,
/// has ended without an exception. All members may be called from several goroutines and threads at
/// once, tasks included. A task costs what go() costs; the group three allocations.
class task_group {
 public:
  task_group() : task_group(background()) {}
  /// ctx() is a child of this one.
  explicit task_group(context parent) : state_(detail::make_task_group(std::move(parent))) {}
  task_group(const task_group&) = delete;
  task_group& operator=(const task_group&) = delete;
  /// Cancels ctx() and waits for the tasks. Never throws: an exception that no wait() has thrown is
  /// dropped.
  ~task_group() { detail::end_task_group(state_); }

  /// At most n tasks at once from now on. 0: none may be started, go() waits for ever and try_go()
  /// gives false; less than 0: no limit, as at first. @throws std::logic_error while tasks run.
  void set_limit(std::ptrdiff_t n) { detail::limit_task_group(*state_, n); }

  /// Starts a task, whose result is ignored; a coro, or a function that returns one, has ended when the
  /// coroutine has. With a limit it waits until fewer run, first come first
  /// served; without one it never waits. Also after wait(), and when ctx() is done.
  template <class F>
    requires detail::task_function<std::decay_t<F>>
  void go(F&& f) {
    detail::begin_task(*state_);
    start(detail::task_place(*state_), std::forward<F>(f));
  }
  /// Never waits. False: as many as the limit allows run, and f was not touched.
  template <class F>
    requires detail::task_function<std::decay_t<F>>
  bool try_go(F&& f) {
    if (!detail::try_begin_task(*state_)) return false;
    start(detail::task_place(*state_), std::forward<F>(f));
    return true;
  }

  /// Waits until no task runs, then rethrows the first exception, each time it is called. Without an
  /// exception ctx() goes on, and the group may be used again. @throws goroutine_exit when the run
  /// ends meanwhile.
  void wait() { detail::wait_for_tasks(*state_); }
  /// Cancelled by the first exception and by the destructor.
  [[nodiscard]] context ctx() const { return detail::context_of(*state_); }

 private:
  // The callable is destroyed before the place is given up.
  template <class Callable>
  struct task {
    detail::task_place place;
    Callable callable;
    void operator()() && {
      try {
        std::invoke(std::move(callable));
      } catch (const goroutine_exit&) {
      } catch (...) {
        detail::fail_task(place.group(), std::current_exception());
      }
    }
    static coro<> await(task self) {
      try {
        co_await detail::invoke_or_take(std::move(self.callable));
      } catch (const goroutine_exit&) {
      } catch (...) {
        detail::fail_task(self.place.group(), std::current_exception());
      }
    }
  };
  template <class F>
  static void start(detail::task_place place, F&& f) {
    auto callable = detail::bind_callable(std::forward<F>(f));
    using Callable = decltype(callable);
    task<Callable> whole{std::move(place), std::move(callable)};
    if constexpr (std::invocable<Callable> && !detail::makes_coro<Callable>) {
      detail::submit_seed(detail::make_detached_seed(detail::bind_callable(std::move(whole))));
    } else {
      detail::submit_seed(detail::make_start_seed(task<Callable>::await(std::move(whole))));
    }
  }

  detail::task_group_state* state_;
};

}  // namespace weft
