// Starting goroutines and getting their results.
#pragma once

#include <concepts>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include <weft/detail/seed.hpp>
#include <weft/runtime.hpp>

namespace weft {

/// Starts a goroutine that calls f(args...), all decay-copied as std::thread does it; move-only is
/// fine. Never waits and never switches, so it may be called with locks held. From a plain thread
/// it uses the process's default runtime. What f throws is uncaught (options::on_uncaught).
/// Costs about 50 ns in the steady state. @throws std::bad_alloc, or what copying throws.
template <class F, class... Args>
  requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
void go(F&& f, Args&&... args) {
  detail::submit_seed(detail::make_detached_seed(
      detail::bind_callable(std::forward<F>(f), std::forward<Args>(args)...)));
}

namespace detail {

// join_word's life: see src/runtime/join.cpp.
bool finish_joined(seed*) noexcept;          // by the goroutine; false: the handle is gone, free it
bool detach_joined(seed*) noexcept;          // by the handle; true: the goroutine has ended, free it
bool is_joined_done(const seed*) noexcept;
void wait_joined(seed*);
struct join_access;
// Uncaught; or counted, if the handle was dropped while another exception was in flight.
void report_dropped_exception(std::exception_ptr, bool while_in_flight);
[[noreturn]] void throw_no_result(const char* why);

// What a joined goroutine leaves in its seed's storage: the value, where it fits, or a pointer.
template <class R>
struct result_storage {
  static constexpr bool is_inline = sizeof(R) <= sizeof(seed::storage) &&
                                    alignof(R) <= alignof(std::max_align_t);
  template <class Make>
  static void construct(seed* s, Make&& make) {
    if constexpr (is_inline) {
      ::new (static_cast<void*>(s->storage)) R(make());
    } else {
      ::new (static_cast<void*>(s->storage)) R*(new R(make()));
    }
  }
  static R take(seed* s) {
    if constexpr (is_inline) {
      return std::move(*std::launder(reinterpret_cast<R*>(s->storage)));
    } else {
      return std::move(**std::launder(reinterpret_cast<R**>(s->storage)));
    }
  }
  static void destroy(seed* s) {
    if constexpr (is_inline) {
      std::launder(reinterpret_cast<R*>(s->storage))->~R();
    } else {
      delete *std::launder(reinterpret_cast<R**>(s->storage));
    }
  }
};
template <class R>
struct result_storage<R&> {
  template <class Make>
  static void construct(seed* s, Make&& make) {
    ::new (static_cast<void*>(s->storage)) R*(std::addressof(make()));
  }
  static R& take(seed* s) { return **std::launder(reinterpret_cast<R**>(s->storage)); }
  static void destroy(seed*) {}
};
template <>
struct result_storage<void> {
  template <class Make>
  static void construct(seed*, Make&& make) {
    make();
  }
  static void take(seed*) {}
  static void destroy(seed*) {}
};

inline std::exception_ptr& stored_exception(seed* s) noexcept {
  return *std::launder(reinterpret_cast<std::exception_ptr*>(s->storage));
}

template <class R>
void destroy_result(seed* s) {
  if (s->ended == outcome::value) {
    result_storage<R>::destroy(s);
  } else if (s->ended == outcome::exception) {
    stored_exception(s).~exception_ptr();
  }
}

// Destroys what nobody will ask for; an exception is uncaught.
template <class R>
void drop_result(seed* s) {
  if (s->ended == outcome::exception) {
    std::exception_ptr error = stored_exception(s);
    const bool in_flight = s->dropped_in_flight;
    destroy_result<R>(s);
    recycle_seed(s);
    report_dropped_exception(std::move(error), in_flight);
  } else {
    destroy_result<R>(s);
    recycle_seed(s);
  }
}

// The invoke function of `spawn`. The callable is gone before the handle can see the end.
template <class R, class F>
void invoke_joined(seed* s, [[maybe_unused]] worker* w, seed_action action) {
  {
    F* stored = stored_callable<F>(s);
    F callable(std::move(*stored));
    stored->~F();
    s->ended = outcome::none;
    if (action == seed_action::run) {
      try {
        result_storage<R>::construct(
            s, [&]() -> R { return static_cast<R>(std::invoke(std::move(callable))); });
        s->ended = outcome::value;
      } catch (const goroutine_exit&) {
      } catch (...) {
        ::new (static_cast<void*>(s->storage)) std::exception_ptr(std::current_exception());
        s->ended = outcome::exception;
      }
    }
  }
  if (!finish_joined(s)) drop_result<R>(s);
}

}  // namespace detail

/// The result of a goroutine that spawn() started. Movable; one owner at a time, but done() and
/// wait() may be called by several goroutines and threads at once. Dropping it detaches the
/// goroutine; an exception that nobody has asked for is then uncaught.
template <class R = void>
class join_handle {
 public:
  join_handle() noexcept = default;
  join_handle(join_handle&& other) noexcept : seed_(std::exchange(other.seed_, nullptr)) {}
  join_handle& operator=(join_handle&& other) noexcept {
    if (this != &other) {
      drop();
      seed_ = std::exchange(other.seed_, nullptr);
    }
    return *this;
  }
  ~join_handle() { drop(); }

  /// Waits for the end and gives the result, once, or throws what the goroutine threw.
  /// @throws no_result if it never started, was left by exit_goroutine(), ended with its run, or
  ///         at a second call.
  R get() {
    if (seed_ == nullptr) detail::throw_no_result("the result was taken before");
    detail::wait_joined(seed_);
    detail::seed* s = std::exchange(seed_, nullptr);
    struct release {
      detail::seed* s;
      ~release() {
        detail::destroy_result<R>(s);
        detail::recycle_seed(s);
      }
    } guard{s};
    if (s->ended == detail::outcome::exception) {
      std::rethrow_exception(detail::stored_exception(s));
    }
    if (s->ended == detail::outcome::none) {
      detail::throw_no_result(
          "the goroutine never started, was left by exit_goroutine() or ended with its run");
    }
    return detail::result_storage<R>::take(s);
  }
  /// Waits for the end. At once after get().
  void wait() const {
    if (seed_ != nullptr) detail::wait_joined(seed_);
  }
  /// Whether the goroutine has ended. Never waits.
  [[nodiscard]] bool done() const noexcept {
    return seed_ == nullptr || detail::is_joined_done(seed_);
  }

 private:
  friend struct detail::join_access;
  template <class F, class... Args>
    requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
  friend auto spawn(F&& f, Args&&... args)
      -> join_handle<std::invoke_result_t<std::decay_t<F>, std::decay_t<Args>...>>;

  explicit join_handle(detail::seed* s) noexcept : seed_(s) {}
  void drop() noexcept {
    if (seed_ == nullptr) return;
    detail::seed* s = std::exchange(seed_, nullptr);
    if (detail::detach_joined(s)) detail::drop_result<R>(s);
  }

  detail::seed* seed_ = nullptr;
};

namespace detail {
struct join_access {
  template <class R>
  static seed* const& joined(const join_handle<R>& handle) noexcept {
    return handle.seed_;
  }
};
}  // namespace detail

/// As go(), with a handle to wait for the end and to take the result.
template <class F, class... Args>
  requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
auto spawn(F&& f, Args&&... args)
    -> join_handle<std::invoke_result_t<std::decay_t<F>, std::decay_t<Args>...>> {
  using Result = std::invoke_result_t<std::decay_t<F>, std::decay_t<Args>...>;
  auto callable = detail::bind_callable(std::forward<F>(f), std::forward<Args>(args)...);
  using Callable = decltype(callable);
  detail::seed* s = detail::allocate_seed();
  ::new (static_cast<void*>(s->storage)) Callable(std::move(callable));
  s->invoke = &detail::invoke_joined<Result, Callable>;
  s->ended = detail::outcome::pending;
  s->join_word.store(0, std::memory_order_relaxed);
  join_handle<Result> handle(s);
  detail::submit_seed(s);
  return handle;
}

/// Lets the other runnable goroutines of this worker run first. On a plain thread it yields that.
void yield();

/// Ends the calling goroutine (Go's Goexit): unwinds it, so destructors run, by throwing
/// goroutine_exit. Its handle's get() then throws no_result, and so does run() if main's function
/// did it. On a plain thread: std::logic_error.
[[noreturn]] void exit_goroutine();

namespace this_goroutine {
/// A number that no other goroutine of the process has had. 0 on a plain thread.
[[nodiscard]] std::uint64_t id() noexcept;
/// Names the goroutine for dumps and messages. On a plain thread it does nothing.
void name(std::string);
/// The name, empty without one.
[[nodiscard]] std::string name();
/// Whether the caller is a goroutine.
[[nodiscard]] bool inside() noexcept;
}  // namespace this_goroutine

}  // namespace weft
