// Starting and ending the scheduler that goroutines run on, and looking into it.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <iosfwd>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <weft/coro.hpp>
#include <weft/detail/seed.hpp>

namespace weft {

/// Every goroutine of a run waits and nothing can wake one: thrown from the wait of main's function.
class deadlock_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// There is no result: the goroutine never started, was left by exit_goroutine() or ended with its
/// run, or its result was taken before.
class no_result : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

/// Thrown by a goroutine's wait when its run ends, and by exit_goroutine(). No std::exception: it
/// is to unwind the goroutine and not to be handled. Swallowed, it is thrown by the next wait.
class goroutine_exit {};

/// How a runtime is set up. The defaults suit most programs.
struct options {
  /// Threads that run goroutines. 0: $WEFT_WORKERS, else the CPUs that the affinity mask and the
  /// cgroup quotas allow. At most max_threads.
  unsigned workers = 0;
  /// Bytes of stack for a goroutine, rounded up to pages. 0: 64 KiB (256 KiB in sanitizer builds).
  /// Only touched pages take memory.
  std::size_t stack_size = 0;
  /// 0: random; otherwise the choices of select and of stealing follow from it.
  std::uint64_t seed = 0;
  /// Called in the goroutine with what left it and its name. By default a message and a dump go to
  /// stderr and std::terminate is called. If it returns, the other goroutines go on.
  std::function<void(std::exception_ptr, std::string_view goroutine)> on_uncaught{};
  /// How long the end of a run waits for the goroutines that are left.
  std::chrono::milliseconds shutdown_grace{5000};
  /// A goroutine that has not ended by then: abort the process instead of leaving it behind.
  bool abort_on_stuck = false;
  /// Workers and the threads that stand in for blocked ones, together.
  unsigned max_threads = 512;
  /// Report goroutines that all wait for each other; run() only.
  bool detect_deadlock = true;
  /// SIGQUIT writes dump() to stderr, and the process goes on; also asked for by
  /// $WEFT_DUMP_ON_SIGQUIT=1. While a runtime that asks for it exists the signal is weft's; the
  /// handler that was there before comes back with the last one's end. Costs a thread.
  bool dump_on_sigquit = false;
  /// Measure how much stack goroutines use, for stack_marks(); also asked for by
  /// $WEFT_MEASURE_STACKS=1. Costs 2 to 10 us for each goroutine; without it, nothing.
  bool measure_stacks = false;
};

/// How much stack the goroutines of one name have used: see stack_marks().
struct stack_mark {
  std::string name;            ///< "": those without one
  std::size_t goroutines = 0;  ///< measured: those that have ended, and those alive
  std::size_t most = 0;        ///< bytes that one of them has used, up to 4 KiB of weft's included
  std::size_t size = 0;        ///< of the stack of that one
};

/// Counters of one runtime, each read without stopping it; together they are no snapshot.
struct runtime_stats {
  unsigned workers = 0;              ///< threads that goroutines are spread over
  std::size_t goroutines = 0;        ///< alive: unstarted, runnable, running and parked
  std::size_t parked = 0;            ///< each waited at some moment of the call; while others move, fewer
  std::size_t runnable = 0;          ///< could run, waiting for a worker; unstarted ones included
  std::uint64_t spawned = 0;         ///< goroutines ever made
  std::uint64_t switches = 0;        ///< goroutine to goroutine or to the scheduler
  std::uint64_t steals = 0;          ///< batches that one worker took from another
  std::uint64_t wakeups = 0;         ///< times that a sleeping worker was woken to help
  std::size_t timers = 0;            ///< timers set, sleeps and time-outs included
  unsigned blocked_workers = 0;      ///< workers that a goroutine keeps from moving on
  unsigned threads = 0;              ///< threads started and not ended, stand-ins included
  std::size_t abandoned = 0;         ///< goroutines that ended runs had to leave behind (process)
  std::size_t dropped_exceptions = 0;  ///< of handles dropped during another unwinding (process)
  std::size_t stacks = 0;            ///< stacks ever bound (process)
  std::size_t unguarded_stacks = 0;  ///< of these, stacks without a guard page (process)
  std::size_t waiting_for_stack = 0;   ///< cannot start: there is no memory for another stack
  std::uint64_t waited_for_stack = 0;  ///< goroutines that had to wait so, ever
};

namespace detail {

// A reference to a callable of main: run() does not return before it has ended.
class function_view {
 public:
  template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, function_view>)
  explicit function_view(F& f) noexcept
      : object_(&f), call_([](void* object) { (*static_cast<F*>(object))(); }) {}
  void operator()() const { call_(object_); }

 private:
  void* object_;
  void (*call_)(void*);
};

void run_to_end(const options&, function_view main);       // throws what main threw
void run_and_wait(runtime_core&, function_view function);  // on a runtime that goes on
runtime_core* start_runtime(const options&);
void end_runtime(runtime_core*);
runtime_stats stats_of(const runtime_core&);

// Runs f through start(function_view) and gives its result back.
template <class F, class Start>
auto call_through(F&& f, Start start) {
  using Result = std::invoke_result_t<F>;
  if constexpr (std::is_void_v<Result>) {
    auto body = [&f] { std::invoke(std::forward<F>(f)); };
    start(function_view(body));
  } else {
    std::optional<std::decay_t<Result>> result;
    auto body = [&] { result.emplace(std::invoke(std::forward<F>(f))); };
    start(function_view(body));
    return std::move(*result);
  }
}

}  // namespace detail

/// Starts a runtime, runs `main_function` as its first goroutine and returns its result, or throws
/// what it threw, as soon as it has ended; goroutines that are left then are unwound. Blocks the
/// calling thread. Inside a goroutine: std::logic_error. Costs two threads; more start with work.
/// @throws deadlock_error from a wait of main's function when nothing can wake any goroutine;
///         no_result if main's function was left by exit_goroutine().
template <std::invocable F>
auto run(options o, F&& main_function) {
  return detail::call_through(std::forward<F>(main_function),
                              [&](detail::function_view f) { detail::run_to_end(o, f); });
}
/// The same with the default options.
template <std::invocable F>
auto run(F&& main_function) {
  return run(options{}, std::forward<F>(main_function));
}

/// A runtime of its own that lives as long as the object. Its members may be called from any
/// thread; the destructor ends it as run() does and must not be called from one of its goroutines.
class runtime {
 public:
  /// Starts it. @throws std::system_error if a thread cannot be started, std::invalid_argument for
  /// options that make no sense.
  explicit runtime(options o = {}) : core_(detail::start_runtime(o)) {}
  /// Ends it as run() does: unwinds what is left. Blocks the thread.
  ~runtime() { detail::end_runtime(core_); }
  runtime(const runtime&) = delete;
  runtime& operator=(const runtime&) = delete;

  /// Starts a goroutine here. Never waits. f may be a coro or return one, as with weft::go.
  template <class F>
    requires(std::invocable<std::decay_t<F>> || detail::is_coro<std::decay_t<F>>) &&
            std::constructible_from<std::decay_t<F>, F>
  void go(F&& f) {
    detail::submit_seed(*core_, detail::make_start_seed(detail::bind_callable(std::forward<F>(f))));
  }
  /// Runs f as a goroutine here and waits for its result.
  template <std::invocable F>
  auto run(F&& f) {
    return detail::call_through(std::forward<F>(f), [this](detail::function_view view) {
      detail::run_and_wait(*core_, view);
    });
  }
  /// This runtime's counters.
  [[nodiscard]] runtime_stats stats() const { return detail::stats_of(*core_); }

 private:
  detail::runtime_core* core_;
};

/// Counters of the current runtime; on a plain thread of the default one.
[[nodiscard]] runtime_stats stats();
/// Goroutines alive in the current runtime, main's included.
[[nodiscard]] std::size_t num_goroutines();
/// Workers of the current runtime.
[[nodiscard]] unsigned workers();
/// Changes their number; workers() says so at once, and it takes effect soon: one that is to leave
/// does so at the next switch of the goroutine that it runs. Never waits.
/// @throws std::invalid_argument unless n is from 1 to options::max_threads; std::bad_alloc.
void set_workers(unsigned n);
/// Writes a list of all goroutines of the process: id, name, state, what it waits on, for how long
/// (to some milliseconds), and the stack of those that do not run, of a hundred at most, and of the
/// caller. A frame is a function and, for addr2line, its module and offset; a program that wants the
/// names of its own functions there is linked with -rdynamic. Without stacks under ThreadSanitizer.
///
/// For debugging: may be called from any thread at any time; what runs goes on. A goroutine is held
/// for the 10 to 100 us that its stack takes, and whoever wakes it then waits so long; those that
/// stand in run queues are taken out for the time that all of their stacks take and go back behind
/// what other workers have to do.
void dump(std::ostream&);

/// The high-water marks of stack use, the highest first, of the runtimes with options::measure_stacks:
/// a goroutine counts under the name that it had at its end, or has now. At most 1,000 names; others
/// count as "(others)". Without guard page; a page that was touched and holds zeros only counts whole.
/// May be called from any thread at any time; what runs goes on. Costs some microseconds for each
/// goroutine that is alive.
/// @throws std::bad_alloc.
[[nodiscard]] std::vector<stack_mark> stack_marks();
/// Writes them, a line for each name.
void dump_stack_marks(std::ostream&);

/// While one lives in a goroutine, its waits do not throw goroutine_exit but wait: for destructors
/// and noexcept functions that wait. Nests. On a plain thread it does nothing. It does not reach
/// across a co_await, after which a coroutine runs in another goroutine.
class exit_guard {
 public:
  /// From here on the waits of this goroutine do not throw goroutine_exit.
  exit_guard() noexcept;
  /// They do again, unless another guard lives.
  ~exit_guard();
  exit_guard(const exit_guard&) = delete;
  exit_guard& operator=(const exit_guard&) = delete;

 private:
  std::uint64_t goroutine_;  // its id; 0 on a plain thread
};

}  // namespace weft
