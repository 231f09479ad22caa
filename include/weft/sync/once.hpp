// What is done once, by the first who needs it.
#pragma once

#include <atomic>
#include <concepts>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <weft/detail/wait_queue.hpp>

namespace weft {

/// Runs one function once, whoever comes first; the others wait until it has returned. What it did
/// happens before every call returns. For goroutines and plain threads; the function may wait.
/// After completion a call costs a load.
class once {
 public:
  constexpr once() noexcept = default;
  once(const once&) = delete;
  once& operator=(const once&) = delete;

  /// Runs f(args...) unless a call has completed before. If f throws, this call throws that, and
  /// the next one, or one that waits, runs its own f. @throws std::logic_error when called from
  /// within f by the same goroutine; goroutine_exit when the run ends while it waits.
  template <class F, class... Args>
    requires std::invocable<F, Args...>
  void call(F&& f, Args&&... args) {
    if (word_.load(std::memory_order_acquire) == done) [[likely]] return;  // pairs with finish()
    if (!begin()) return;
    struct finishing {
      once* self;
      bool succeeded;
      ~finishing() { self->finish(succeeded); }
    } at_end{this, false};
    std::invoke(std::forward<F>(f), std::forward<Args>(args)...);
    at_end.succeeded = true;
  }

 private:
  static constexpr std::uint64_t queue = 1;    // somebody works on the queue
  static constexpr std::uint64_t running = 2;  // somebody runs its function
  static constexpr std::uint64_t done = 4;
  static constexpr std::uint64_t waiting = 8;  // the queue is not empty
  bool begin();  // true: run the function
  void finish(bool succeeded) noexcept;

  detail::locked_word word_{0};
  std::atomic<const void*> runner_{nullptr};  // who runs the function
  detail::wait_queue queue_;                  // guarded by `queue`
};

namespace detail {

template <class F>
struct once_value_state {
  using result = std::invoke_result_t<F&>;
  using stored = std::conditional_t<
      std::is_void_v<result>, bool,
      std::conditional_t<std::is_reference_v<result>, std::remove_reference_t<result>*,
                         std::remove_cv_t<result>>>;

  explicit once_value_state(F f) : function(std::in_place, std::move(f)) {}

  void compute() {
    if constexpr (std::is_void_v<result>) {
      std::invoke(*function);
    } else if constexpr (std::is_reference_v<result>) {
      value.emplace(std::addressof(static_cast<std::remove_reference_t<result>&>(
          std::invoke(*function))));
    } else {
      value.emplace(std::invoke(*function));
    }
    function.reset();
  }

  once first;
  std::optional<F> function;  // destroyed once it has succeeded
  std::optional<stored> value;
};

}  // namespace detail

/// Gives a function object that calls f once, at its first call, and returns the result to every
/// call: Go's sync.OnceValue. Copies share the value, which lives as long as the last of them. It
/// returns a `const R&`, or f's own reference, or nothing. If f throws, that call throws it and the
/// next one runs f again; f is destroyed when it has succeeded. May be called from anywhere at
/// once; after completion a call costs a load.
template <class F>
  requires std::invocable<std::decay_t<F>&>
auto once_value(F&& f) {
  using State = detail::once_value_state<std::decay_t<F>>;
  using Result = typename State::result;
  return [state = std::make_shared<State>(std::forward<F>(f))]() -> decltype(auto) {
    state->first.call([&s = *state] { s.compute(); });
    if constexpr (std::is_reference_v<Result>) {
      return static_cast<Result>(**state->value);
    } else if constexpr (!std::is_void_v<Result>) {
      return static_cast<const typename State::stored&>(*state->value);
    }
  };
}

}  // namespace weft
