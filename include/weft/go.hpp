// Starting goroutines and getting their results.
#pragma once

#include <concepts>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include <weft/blocking.hpp>
#include <weft/coro.hpp>
#include <weft/detail/async.hpp>
#include <weft/detail/seed.hpp>
#include <weft/detail/wait_node.hpp>
#include <weft/goroutine_local.hpp>
#include <weft/runtime.hpp>

namespace weft {
namespace detail {

// What go and spawn take: f(args...) can be called on decay-copies, and these can be made.
template <class F, class... Args>
concept startable = std::invocable<std::decay_t<F>, std::decay_t<Args>...> &&
                    std::constructible_from<std::decay_t<F>, F> &&
                    (std::constructible_from<std::decay_t<Args>, Args> && ...);

}  // namespace detail

/// Starts a goroutine that calls f(args...), all decay-copied as std::thread does it; move-only is
/// fine. Never waits and never switches, so it may be called with locks held. From a plain thread
/// it uses the process's default runtime. What f throws is uncaught (options::on_uncaught).
/// If f(args...) gives a coro, that is run to its end; f and the arguments live so long.
/// Costs about 50 ns in the steady state. @throws std::bad_alloc, or what copying throws.
template <class F, class... Args>
  requires detail::startable<F, Args...>
void go(F&& f, Args&&... args) {
  detail::submit_seed(detail::make_start_seed(
      detail::bind_callable(std::forward<F>(f), std::forward<Args>(args)...)));
}

/// Runs a coroutine on the workers: `go(download(url))`. Its result is dropped, what it throws is
/// uncaught. One that has not begun when its run ends never does; its frame is destroyed.
template <class R>
void go(coro<R> c) {
  detail::submit_seed(detail::make_start_seed(std::move(c)));
}

namespace detail {

// join_word's life: see src/runtime/join.cpp.
bool finish_joined(callable_seed*) noexcept;          // by the goroutine; false: the handle is gone, free it
bool detach_joined(callable_seed*) noexcept;          // by the handle; true: the goroutine has ended, free it
bool is_joined_done(const callable_seed*) noexcept;
void wait_joined(callable_seed*);
struct async_join_state : async_state {
  explicit async_join_state(callable_seed* s) noexcept : joined(s) {}
  ~async_join_state() {
    if (suspended) withdraw_async(*this);
  }
  wait_node node{};
  callable_seed* joined;  // null: the result was taken
};
bool async_join_suspend(async_join_state&, std::coroutine_handle<>) noexcept;

class [[nodiscard]] async_join_awaiter {
 public:
  explicit async_join_awaiter(callable_seed* s) noexcept : state_(s) {}
  async_join_awaiter(async_join_awaiter&& other) noexcept : state_(other.state_.joined) {}
  bool await_ready() const noexcept {
    return state_.joined == nullptr || is_joined_done(state_.joined);
  }
  bool await_suspend(std::coroutine_handle<> who) noexcept {
    return async_join_suspend(state_, who);
  }
  void await_resume() { rethrow_async(state_); }

 private:
  async_join_state state_;
};

struct join_access;
// Uncaught; or counted, if the handle was dropped while another exception was in flight.
void report_dropped_exception(std::exception_ptr, bool while_in_flight);
[[noreturn]] void throw_no_result(const char* why);

// What a joined goroutine leaves in its seed's storage: the value, where it fits, or a pointer.
template <class R>
struct result_storage {
  static constexpr bool is_inline = sizeof(R) <= sizeof(callable_seed::storage) &&
                                    alignof(R) <= alignof(std::max_align_t);
  template <class Make>
  static void construct(callable_seed* s, Make&& make) {
    if constexpr (is_inline) {
      ::new (static_cast<void*>(s->storage)) R(make());
    } else {
      ::new (static_cast<void*>(s->storage)) R*(new R(make()));
    }
  }
  static R take(callable_seed* s) {
    if constexpr (is_inline) {
      return std::move(*std::launder(reinterpret_cast<R*>(s->storage)));
    } else {
      return std::move(**std::launder(reinterpret_cast<R**>(s->storage)));
    }
  }
  static void destroy(callable_seed* s) {
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
  static void construct(callable_seed* s, Make&& make) {
    ::new (static_cast<void*>(s->storage)) R*(std::addressof(make()));
  }
  static R& take(callable_seed* s) { return **std::launder(reinterpret_cast<R**>(s->storage)); }
  static void destroy(callable_seed*) {}
};
template <>
struct result_storage<void> {
  template <class Make>
  static void construct(callable_seed*, Make&& make) {
    make();
  }
  static void take(callable_seed*) {}
  static void destroy(callable_seed*) {}
};

inline std::exception_ptr& stored_exception(callable_seed* s) noexcept {
  return *std::launder(reinterpret_cast<std::exception_ptr*>(s->storage));
}

template <class R>
void destroy_result(callable_seed* s) {
  if (s->ended == outcome::value) {
    result_storage<R>::destroy(s);
  } else if (s->ended == outcome::exception) {
    stored_exception(s).~exception_ptr();
  }
}

// Destroys what nobody will ask for; an exception is uncaught.
template <class R>
void drop_result(callable_seed* s) {
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
void invoke_joined(seed* head, [[maybe_unused]] worker* w, seed_action action) {
  auto* s = static_cast<callable_seed*>(head);
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

// The end of a coroutine that `spawn` started.
template <class R>
struct joined_root : coro_root {
  explicit joined_root(callable_seed* s) noexcept : joined(s) { at_end = &end; }

  // The result goes to the seed, which this may be a part of; everything else is destroyed before
  // the handle can see the end.
  template <class DropCallable>
  static void finish(callable_seed* s, coro_promise<R>& promise, DropCallable drop) noexcept {
    std::exception_ptr error = promise.take_error();
    if (!error) {
      try {
        result_storage<R>::construct(s, [&]() -> R { return promise.take_value(); });
        s->ended = outcome::value;
      } catch (...) {
        error = std::current_exception();
      }
    }
    promise.handle().destroy();
    drop();
    if (error) {
      if (is_goroutine_exit(error)) {
        s->ended = outcome::none;
        error = nullptr;
      } else {
        ::new (static_cast<void*>(s->storage)) std::exception_ptr(std::move(error));
        s->ended = outcome::exception;
      }
    }
    if (!finish_joined(s)) drop_result<R>(s);
  }

  callable_seed* joined;

 private:
  static void end(coro_root* self, coro_promise_base& promise) noexcept {
    finish(static_cast<joined_root*>(self)->joined, static_cast<coro_promise<R>&>(promise), [] {});
  }
};

// With the callable that made it, which lives as long as the coroutine.
template <class R, class Callable>
struct joined_coro_holder : coro_root {
  joined_coro_holder(callable_seed* s, Callable&& c)
      : joined(s), callable(std::move(c)) { at_end = &end; }
  callable_seed* joined;
  Callable callable;

 private:
  static void end(coro_root* base, coro_promise_base& promise) noexcept {
    auto* self = static_cast<joined_coro_holder*>(base);
    joined_root<R>::finish(self->joined, static_cast<coro_promise<R>&>(promise),
                           [self] { delete self; });
  }
};

// The invoke functions of `spawn` for coroutines.
template <class R>
void invoke_joined_coro(seed* head, worker*, seed_action action) {
  auto* s = static_cast<callable_seed*>(head);
  coro<R>* stored = stored_callable<coro<R>>(s);
  coro<R> c(std::move(*stored));
  stored->~coro();
  s->ended = outcome::none;
  if (action == seed_action::run && c) {
    start_coro(std::move(c), *::new (static_cast<void*>(s->storage)) joined_root<R>(s));
    return;
  }
  c = {};
  if (!finish_joined(s)) drop_result<R>(s);
}
template <class R, class Callable>
void invoke_joined_maker(seed* head, worker*, seed_action action) {
  using Holder = joined_coro_holder<R, Callable>;
  auto* s = static_cast<callable_seed*>(head);
  auto* stored = stored_callable<std::unique_ptr<Holder>>(s);
  std::unique_ptr<Holder> holder(std::move(*stored));
  std::destroy_at(stored);
  s->ended = outcome::none;
  if (action == seed_action::run) {
    try {
      coro<R> c = std::move(holder->callable)();
      if (c) {
        start_coro(std::move(c), *holder.release());
        return;
      }
    } catch (const goroutine_exit&) {
    } catch (...) {
      ::new (static_cast<void*>(s->storage)) std::exception_ptr(std::current_exception());
      s->ended = outcome::exception;
    }
  }
  holder.reset();
  if (!finish_joined(s)) drop_result<R>(s);
}

template <class T>
struct spawn_result {
  using type = T;
};
template <class R>
struct spawn_result<coro<R>> {
  using type = R;
};
template <class F, class... Args>
using spawn_result_t =
    typename spawn_result<std::invoke_result_t<std::decay_t<F>, std::decay_t<Args>...>>::type;

struct join_access;

}  // namespace detail

/// The result of a goroutine that spawn() started. Movable; one owner at a time, but done() and
/// wait() may be called by several goroutines and threads at once. Dropping it detaches the
/// goroutine; an exception that nobody has asked for is then uncaught.
template <class R = void>
class join_handle {
 public:
  /// A handle of nothing: done, and without a result.
  join_handle() noexcept = default;
  /// The other is then a handle of nothing.
  join_handle(join_handle&& other) noexcept : seed_(std::exchange(other.seed_, nullptr)) {}
  /// Drops what this one was a handle of.
  join_handle& operator=(join_handle&& other) noexcept {
    if (this != &other) {
      drop();
      seed_ = std::exchange(other.seed_, nullptr);
    }
    return *this;
  }
  /// Detaches the goroutine. Never waits.
  ~join_handle() { drop(); }

  /// Waits for the end and gives the result, once, or throws what the goroutine threw.
  /// @throws no_result if it never started, was left by exit_goroutine(), ended with its run, or
  ///         at a second call.
  R get() {
    if (seed_ == nullptr) detail::throw_no_result("the result was taken before");
    detail::wait_joined(seed_);
    detail::callable_seed* s = std::exchange(seed_, nullptr);
    struct release {
      detail::callable_seed* s;
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
  /// For a coroutine: `co_await handle.async_wait()` is wait(); then get() does not wait. Any
  /// coroutine may await it, once, while the handle lives.
  auto async_wait() const { return detail::async_join_awaiter(seed_); }
  /// Whether the goroutine has ended. Never waits.
  [[nodiscard]] bool done() const noexcept {
    return seed_ == nullptr || detail::is_joined_done(seed_);
  }

 private:
  friend struct detail::join_access;

  explicit join_handle(detail::callable_seed* s) noexcept : seed_(s) {}
  void drop() noexcept {
    if (seed_ == nullptr) return;
    detail::callable_seed* s = std::exchange(seed_, nullptr);
    if (detail::detach_joined(s)) detail::drop_result<R>(s);
  }

  detail::callable_seed* seed_ = nullptr;
};

namespace detail {
struct join_access {
  template <class R>
  static callable_seed* const& joined(const join_handle<R>& handle) noexcept {
    return handle.seed_;
  }
  // The seed, whose callable is in place, starts.
  template <class R>
  static join_handle<R> start(callable_seed* s, seed::invoke_function invoke) {
    s->invoke = invoke;
    s->ended = outcome::pending;
    s->join_word.store(0, std::memory_order_relaxed);
    join_handle<R> handle(s);
    submit_seed(s);
    return handle;
  }
};

}  // namespace detail

/// As go(), with a handle to wait for the end and to take the result. If f(args...) gives a
/// coro<R>, the result is that coroutine's.
template <class F, class... Args>
  requires detail::startable<F, Args...>
auto spawn(F&& f, Args&&... args) -> join_handle<detail::spawn_result_t<F, Args...>> {
  using Result = detail::spawn_result_t<F, Args...>;
  auto callable = detail::bind_callable(std::forward<F>(f), std::forward<Args>(args)...);
  using Callable = decltype(callable);
  if constexpr (detail::makes_coro<Callable>) {
    using Holder = detail::joined_coro_holder<Result, Callable>;
    auto holder = std::make_unique<Holder>(nullptr, std::move(callable));
    detail::callable_seed* s = detail::allocate_seed();
    holder->joined = s;
    ::new (static_cast<void*>(s->storage)) std::unique_ptr<Holder>(std::move(holder));
    return detail::join_access::start<Result>(s, &detail::invoke_joined_maker<Result, Callable>);
  } else {
    detail::callable_seed* s = detail::allocate_seed();
    ::new (static_cast<void*>(s->storage)) Callable(std::move(callable));
    return detail::join_access::start<Result>(s, &detail::invoke_joined<Result, Callable>);
  }
}
/// The same for a coroutine, which is run on the workers.
template <class R>
join_handle<R> spawn(coro<R> c) {
  detail::callable_seed* s = detail::allocate_seed();
  ::new (static_cast<void*>(s->storage)) coro<R>(std::move(c));
  return detail::join_access::start<R>(s, &detail::invoke_joined_coro<R>);
}

/// Lets the other runnable goroutines of this worker run first. On a plain thread it yields that.
void yield();

/// Ends the calling goroutine (Go's Goexit): unwinds it, so destructors run, by throwing
/// goroutine_exit. Its handle's get() then throws no_result, and so does run() if main's function
/// did it. On a plain thread: std::logic_error.
[[noreturn]] void exit_goroutine();

/// The calling goroutine.
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
