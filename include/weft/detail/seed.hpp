// A seed: a goroutine that has not started. For `go` and `spawn` 128 bytes hold its callable and the
// state that joins it with its handle; a stack is bound to it only when it first runs.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <tuple>
#include <type_traits>
#include <utility>

namespace weft::detail {

struct worker;
struct wait_node;
class runtime_core;

// What the runtime asks of a seed: run its callable, or destroy it because its run has ended.
enum class seed_action : std::uint8_t { run, discard };

// What may be done with a seed whose run ends before it has run.
enum class seed_kind : std::uint8_t {
  user,        // it is discarded
  internal,    // main's function or the like: it runs
  resumption,  // of a coroutine, whose wait is over: it runs, and its next wait throws
};

// How the goroutine of a joined seed ended.
enum class outcome : std::uint8_t { pending, value, exception, none };

// What a queue of seeds needs. It is part of a callable_seed, or of the awaiter of a suspended
// coroutine (src/sched/suspension.hpp).
struct seed {
  using invoke_function = void (*)(seed*, worker*, seed_action);

  seed* next = nullptr;  // run queue or free list
  seed* prev = nullptr;  // run queue
  invoke_function invoke = nullptr;
  seed_kind kind = seed_kind::user;
};

// With room for what `go` and `spawn` are given. Its invoke function moves the callable out first,
// so that the storage is free for a result.
struct alignas(64) callable_seed : seed {
  std::atomic<std::uintptr_t> join_word;  // see src/runtime/join.cpp
  outcome ended;                          // written by the goroutine before join_word says done
  bool dropped_in_flight;                 // by the handle, before join_word says detached
  alignas(std::max_align_t) std::byte storage[80];
};
static_assert(sizeof(callable_seed) == 128);

// All of these may be called from any thread. allocate_seed throws std::bad_alloc.
callable_seed* allocate_seed();
void recycle_seed(callable_seed*) noexcept;
void recycle_seed(worker*, callable_seed*) noexcept;  // the worker that runs the caller, known to be current
void submit_seed(seed*);                     // into the current runtime, or the default one
void submit_seed(runtime_core&, seed*);

template <class T>
inline constexpr bool fits_seed = sizeof(T) <= sizeof(callable_seed::storage) &&
                                  alignof(T) <= alignof(std::max_align_t) &&
                                  std::is_nothrow_move_constructible_v<T>;

// A callable that does not fit, or whose move may throw: in its own allocation, run in place.
template <class F>
struct boxed {
  std::unique_ptr<F> callable;
  decltype(auto) operator()() && { return std::invoke(std::move(*callable)); }
};

// A callable with its arguments, decay-copied as std::thread does it.
template <class F, class... Args>
struct bound {
  F callable;
  std::tuple<Args...> arguments;
  decltype(auto) operator()() && {
    return std::apply(
        [this](auto&&... args) -> decltype(auto) {
          return std::invoke(std::move(callable), std::move(args)...);
        },
        arguments);
  }
};

template <class F, class... Args>
auto bind_callable(F&& f, Args&&... args) {
  using Callable = std::decay_t<F>;
  if constexpr (sizeof...(Args) == 0 && fits_seed<Callable>) {
    return Callable(std::forward<F>(f));
  } else if constexpr (sizeof...(Args) == 0) {
    return boxed<Callable>{std::make_unique<Callable>(std::forward<F>(f))};
  } else {
    using Bound = bound<Callable, std::decay_t<Args>...>;
    if constexpr (fits_seed<Bound>) {
      return Bound{std::forward<F>(f), {std::forward<Args>(args)...}};
    } else {
      return boxed<Bound>{std::unique_ptr<Bound>(
          new Bound{std::forward<F>(f), std::tuple<std::decay_t<Args>...>(std::forward<Args>(args)...)})};
    }
  }
}

template <class F>
F* stored_callable(callable_seed* s) noexcept {
  return std::launder(reinterpret_cast<F*>(s->storage));
}

// The invoke function of `go`: the seed goes back to its pool before the callable runs.
template <class F>
void invoke_detached(seed* head, worker* w, seed_action action) {
  auto* s = static_cast<callable_seed*>(head);
  F* stored = stored_callable<F>(s);
  F callable(std::move(*stored));
  stored->~F();
  recycle_seed(w, s);
  if (action == seed_action::run) std::invoke(std::move(callable));
}

template <class F>
callable_seed* make_detached_seed(F&& callable) {
  using Callable = std::remove_cvref_t<F>;
  static_assert(fits_seed<Callable>);
  callable_seed* s = allocate_seed();
  ::new (static_cast<void*>(s->storage)) Callable(std::move(callable));
  s->invoke = &invoke_detached<Callable>;
  return s;
}

}  // namespace weft::detail
