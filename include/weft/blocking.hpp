// Calls that block their thread, and goroutines that need a thread of their own.
#pragma once

#include <concepts>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <weft/runtime.hpp>

namespace weft {

namespace detail {
// Runs the function, which throws nothing, on a thread of the pool, and waits for its end.
void run_blocking(function_view);
}  // namespace detail

/// Runs f(), a call that blocks its thread (a library's, a read of a slow disk), on another thread,
/// and waits for its result or exception; other goroutines run meanwhile. From a plain thread it
/// just calls f. f runs on a plain thread: in it `go` uses the default runtime, and
/// this_goroutine::inside() is false.
///
/// The threads are shared by the process: at most 512, started when none is idle, gone after five
/// seconds without work. What is beyond waits for its turn, so more calls than that must not wait
/// for each other. Where the system refuses every thread, f is called on the worker.
///
/// f cannot be interrupted. When the run ends meanwhile this goroutine waits for f all the same,
/// within options::shutdown_grace, and then unwinds: f may use the caller's locals.
/// Costs two passes between threads, 10 to 20 us.
/// @throws what f throws.
template <class F>
  requires std::invocable<F>
auto blocking(F&& f) -> std::invoke_result_t<F> {
  using Result = std::invoke_result_t<F>;
  std::exception_ptr error;
  const auto run = [&error](auto&& body_of) {
    auto body = [&] {
      try {
        body_of();
      } catch (...) {
        error = std::current_exception();
      }
    };
    detail::run_blocking(detail::function_view(body));
    if (error) std::rethrow_exception(std::move(error));
  };
  if constexpr (std::is_void_v<Result>) {
    run([&] { std::invoke(std::forward<F>(f)); });
  } else if constexpr (std::is_reference_v<Result>) {
    std::remove_reference_t<Result>* result = nullptr;
    run([&] {
      Result r = std::invoke(std::forward<F>(f));
      result = std::addressof(r);
    });
    return static_cast<Result>(*result);
  } else {
    std::optional<std::remove_cv_t<Result>> result;
    run([&] { result.emplace(std::invoke(std::forward<F>(f))); });
    return std::move(*result);
  }
}

/// While one lives in a goroutine, that goroutine keeps its thread, and no other runs on it (Go's
/// LockOSThread): for libraries that want to be called from one thread, and for what belongs to a
/// thread, such as its affinity. Nests. Destroyed in another goroutine it does nothing: in a C++20
/// coroutine, which may go on on another one, it holds until the next co_await. On a plain thread it
/// does nothing.
///
/// A wait of a pinned goroutine blocks its thread; others run on another one meanwhile. All of them
/// together are at most options::max_threads, one of which is never pinned. Each hand-over to it or from it passes between threads and costs
/// some microseconds. What it started or woke runs at the latest when it next waits or yields, or
/// some milliseconds later.
class pinned {
 public:
  /// @throws std::system_error (resource_unavailable_try_again) if max_threads, or the system, leaves
  ///         no thread for the others; then the goroutine is not pinned.
  pinned();
  /// The thread runs others again, unless another one lives in this goroutine.
  ~pinned();
  pinned(const pinned&) = delete;
  pinned& operator=(const pinned&) = delete;

 private:
  std::uint64_t goroutine_;  // its id; 0 on a plain thread
};

}  // namespace weft
