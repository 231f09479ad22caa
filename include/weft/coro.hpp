// Coroutines of C++20 beside goroutines. <weft/go.hpp> includes this.
//
//   weft::coro<std::string> fetch(weft::recv_chan<std::string> from) {
//     std::optional<std::string> line = co_await from.async_recv();
//     co_return line.value_or("nothing");
//   }
//   weft::join_handle<std::string> result = weft::spawn(fetch(lines));
//
// A coroutine has no stack while it waits, only a frame of some hundred bytes. Whoever wants a
// million of something that waits most of the time may take coroutines; they and goroutines meet on
// the same channels.
#pragma once

#include <atomic>
#include <concepts>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include <weft/detail/seed.hpp>

namespace weft {

template <class R = void>
class coro;

namespace detail {

class coro_promise_base;
template <class R>
class coro_promise;

// Where a coroutine that `go` or `spawn` started reports its end. It is suspended there, and at_end
// destroys it.
struct coro_root {
  void (*at_end)(coro_root*, coro_promise_base&) noexcept = nullptr;
};

[[noreturn]] void throw_coro_misuse(const char* what);
bool is_goroutine_exit(const std::exception_ptr&) noexcept;
// Uncaught, unless null or goroutine_exit.
void report_coro_exception(std::exception_ptr);
// Whether the calling stack has room for one more coroutine to be resumed on top of this one.
bool has_room_to_nest() noexcept;

class coro_promise_base {
 public:
  coro_promise_base() noexcept = default;
  coro_promise_base(const coro_promise_base&) = delete;

  std::suspend_always initial_suspend() const noexcept { return {}; }
  auto final_suspend() const noexcept { return final_awaiter{}; }
  std::exception_ptr take_error() noexcept { return std::exchange(error_, nullptr); }

  // Starting: each coroutine once.
  bool was_started() const noexcept { return after_.load(std::memory_order_relaxed) != unstarted; }
  // The awaiting coroutine is suspended already.
  void start_before(std::coroutine_handle<> awaiting) noexcept {
    after_.store(reinterpret_cast<std::uintptr_t>(awaiting.address()), std::memory_order_relaxed);
  }
  void start_under(coro_root& root) noexcept {
    after_.store(reinterpret_cast<std::uintptr_t>(&root) | is_root, std::memory_order_relaxed);
  }
  // The awaiting coroutine is not suspended yet.
  void start_first() noexcept { after_.store(running, std::memory_order_relaxed); }
  bool has_finished() const noexcept { return after_.load(std::memory_order_acquire) == finished; }
  // After start_first. False: it has finished meanwhile.
  bool go_on_with(std::coroutine_handle<> awaiting) noexcept {
    std::uintptr_t expected = running;
    return after_.compare_exchange_strong(expected,
                                          reinterpret_cast<std::uintptr_t>(awaiting.address()),
                                          std::memory_order_acq_rel, std::memory_order_acquire);
  }

 protected:
  std::exception_ptr error_;

 private:
  struct final_awaiter {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) const noexcept {
      coro_promise_base& promise = self.promise();
      std::uintptr_t after = promise.after_.load(std::memory_order_acquire);
      // Pairs with go_on_with: who awaits sees the result.
      if (after == running) after = promise.after_.exchange(finished, std::memory_order_acq_rel);
      if (after == running) return std::noop_coroutine();
      if ((after & is_root) != 0) {
        auto* root = reinterpret_cast<coro_root*>(after & ~is_root);
        root->at_end(root, promise);
        return std::noop_coroutine();
      }
      return std::coroutine_handle<>::from_address(reinterpret_cast<void*>(after));
    }
    void await_resume() const noexcept {}
  };

  // What follows: one of these, the coroutine that awaits this one, or a coro_root with a bit.
  static constexpr std::uintptr_t unstarted = 0;
  static constexpr std::uintptr_t is_root = 1;
  static constexpr std::uintptr_t running = 2;
  static constexpr std::uintptr_t finished = 4;
  std::atomic<std::uintptr_t> after_{unstarted};
};

template <class R>
class coro_promise : public coro_promise_base {
 public:
  coro_promise() noexcept {}
  ~coro_promise() { drop_value(); }
  coro<R> get_return_object() noexcept;
  std::coroutine_handle<coro_promise> handle() noexcept {
    return std::coroutine_handle<coro_promise>::from_promise(*this);
  }
  template <class U = R>
    requires std::constructible_from<R, U&&>
  void return_value(U&& value) {
    ::new (static_cast<void*>(std::addressof(value_))) R(std::forward<U>(value));
    has_value_ = true;
  }
  void unhandled_exception() noexcept {
    drop_value();
    error_ = std::current_exception();
  }
  R&& take_value() noexcept { return std::move(value_); }

 private:
  void drop_value() noexcept {
    if (std::exchange(has_value_, false)) value_.~R();
  }
  union {
    R value_;
  };
  bool has_value_ = false;
};

template <class R>
class coro_promise<R&> : public coro_promise_base {
 public:
  coro<R&> get_return_object() noexcept;
  std::coroutine_handle<coro_promise> handle() noexcept {
    return std::coroutine_handle<coro_promise>::from_promise(*this);
  }
  void return_value(R& value) noexcept { value_ = std::addressof(value); }
  void unhandled_exception() noexcept { error_ = std::current_exception(); }
  R& take_value() noexcept { return *value_; }

 private:
  R* value_ = nullptr;
};

template <>
class coro_promise<void> : public coro_promise_base {
 public:
  coro<void> get_return_object() noexcept;
  std::coroutine_handle<coro_promise> handle() noexcept {
    return std::coroutine_handle<coro_promise>::from_promise(*this);
  }
  void return_void() const noexcept {}
  void unhandled_exception() noexcept { error_ = std::current_exception(); }
  void take_value() const noexcept {}
};

// Awaits a coro. Where the stack has room the awaited one is started on top of the awaiting one,
// which is not suspended at all if it ends without waiting: so a loop of such awaits needs no tail
// calls, which compilers leave out without optimisation. Where it is nearly used up, by deep
// recursion, one gives way to the other (symmetric transfer).
template <class R>
class [[nodiscard]] coro_awaiter {
 public:
  explicit coro_awaiter(std::coroutine_handle<coro_promise<R>> child) noexcept : child_(child) {}

  bool await_ready() {
    if (!child_) throw_coro_misuse("weft::coro: co_await of an empty or moved-from coroutine");
    if (child_.promise().was_started()) {
      throw_coro_misuse("weft::coro: co_await of a coroutine that was awaited before");
    }
    nests_ = has_room_to_nest();
    if (!nests_) return false;
    child_.promise().start_first();
    child_.resume();
    return child_.promise().has_finished();
  }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept {
    if (!nests_) {
      child_.promise().start_before(awaiting);
      return child_;
    }
    // Once this succeeds, the awaiting coroutine may be resumed elsewhere.
    if (child_.promise().go_on_with(awaiting)) return std::noop_coroutine();
    return awaiting;
  }
  R await_resume() {
    if (std::exception_ptr error = child_.promise().take_error()) {
      std::rethrow_exception(std::move(error));
    }
    return child_.promise().take_value();
  }

 private:
  std::coroutine_handle<coro_promise<R>> child_;
  bool nests_ = false;
};

// Starts it; its end, by now or later, is the root's.
template <class R>
void start_coro(coro<R>&& c, coro_root& root);

}  // namespace detail

/// A coroutine that gives an R, a reference or nothing. It starts when it is awaited, by any
/// coroutine, or handed to go() or spawn(), which run it on the workers; each coro once. What it
/// throws comes out of that co_await (of get() with spawn; with go it is uncaught).
/// Move-only. Destroying one that has not ended destroys its frame, and with it the wait that it is
/// suspended in; that must not race with what could complete the wait.
/// A suspended coroutine is resumed on a goroutine's stack, each time another goroutine's, in the
/// runtime in which it suspended (on the default one if that was a foreign thread). A plain wait
/// inside of it parks that goroutine. Neither a weft::exit_guard nor a lock of a thread may be held
/// across a co_await. When the run ends goroutine_exit leaves its co_await.
template <class R>
class [[nodiscard]] coro {
  static_assert(std::is_void_v<R> || std::is_reference_v<R> ||
                    (std::is_object_v<R> && !std::is_array_v<R> && std::is_move_constructible_v<R>),
                "weft::coro<R>: R must be void, a reference or a move-constructible object type");
  static_assert(!std::is_rvalue_reference_v<R>, "weft::coro<R&&>: return the value instead");

 public:
  /// What makes a function that returns a coro a coroutine.
  using promise_type = detail::coro_promise<R>;
  /// What awaiting it gives.
  using result_type = R;

  /// Empty; to await it throws std::logic_error.
  coro() noexcept = default;
  /// The other is empty then.
  coro(coro&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  /// Destroys what this one was.
  coro& operator=(coro&& other) noexcept {
    if (this != &other) {
      if (handle_) handle_.destroy();
      handle_ = std::exchange(other.handle_, nullptr);
    }
    return *this;
  }
  /// Destroys the coroutine, which withdraws what it waits for.
  ~coro() {
    if (handle_) handle_.destroy();
  }

  /// Runs it and gives its result, once. The coro must live so long.
  /// @throws what it threw; std::logic_error if it is empty or was awaited before.
  auto operator co_await() const noexcept { return detail::coro_awaiter<R>(handle_); }
  /// False: empty or moved from.
  explicit operator bool() const noexcept { return handle_ != nullptr; }

 private:
  friend promise_type;
  template <class T>
  friend void detail::start_coro(coro<T>&&, detail::coro_root&);
  explicit coro(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}

  std::coroutine_handle<promise_type> handle_;
};

namespace detail {

template <class R>
coro<R> coro_promise<R>::get_return_object() noexcept {
  return coro<R>(handle());
}
template <class R>
coro<R&> coro_promise<R&>::get_return_object() noexcept {
  return coro<R&>(handle());
}
inline coro<void> coro_promise<void>::get_return_object() noexcept { return coro<void>(handle()); }

template <class R>
void start_coro(coro<R>&& c, coro_root& root) {
  if (c.handle_.promise().was_started()) {
    throw_coro_misuse("weft::coro: go or spawn of a coroutine that was awaited before");
  }
  const std::coroutine_handle<coro_promise<R>> handle = std::exchange(c.handle_, nullptr);
  handle.promise().start_under(root);
  handle.resume();
}

template <class T>
inline constexpr bool is_coro = false;
template <class R>
inline constexpr bool is_coro<coro<R>> = true;

// A bound callable that gives a coroutine.
template <class F>
concept makes_coro = std::invocable<F> && is_coro<std::invoke_result_t<F>>;

template <class F>
decltype(auto) invoke_or_take(F&& f) {
  if constexpr (is_coro<std::remove_cvref_t<F>>) {
    return std::remove_cvref_t<F>(std::move(f));
  } else {
    return std::invoke(std::forward<F>(f));
  }
}

// The end of a coroutine that `go` was given.
template <class R, class Drop>
void end_detached(coro_promise_base& base, Drop drop) noexcept {
  auto& promise = static_cast<coro_promise<R>&>(base);
  std::exception_ptr error = promise.take_error();
  promise.handle().destroy();
  drop();
  report_coro_exception(std::move(error));
}

template <class R>
struct detached_root : coro_root {
  detached_root() noexcept {
    at_end = [](coro_root*, coro_promise_base& promise) noexcept {
      end_detached<R>(promise, [] {});
    };
  }
};

// With the callable that made it, which lives as long as the coroutine.
template <class R, class Callable>
struct coro_holder : coro_root {
  explicit coro_holder(Callable&& c) : callable(std::move(c)) {
    at_end = [](coro_root* base, coro_promise_base& promise) noexcept {
      end_detached<R>(promise, [self = static_cast<coro_holder*>(base)] { delete self; });
    };
  }
  Callable callable;
};

// The seed of what `go` is given, bound: a callable, one that gives a coroutine, or a coroutine.
template <class F>
callable_seed* make_start_seed(F&& given) {
  using Callable = std::remove_cvref_t<F>;
  if constexpr (is_coro<Callable>) {
    return make_detached_seed([c = std::move(given)]() mutable {
      static detached_root<typename Callable::result_type> root;
      if (c) start_coro(std::move(c), root);
    });
  } else if constexpr (makes_coro<Callable>) {
    using R = typename std::invoke_result_t<Callable>::result_type;
    using Holder = coro_holder<R, Callable>;
    return make_detached_seed([holder = std::make_unique<Holder>(std::move(given))]() mutable {
      coro<R> c = std::invoke(std::move(holder->callable));
      if (c) start_coro(std::move(c), *holder.release());
    });
  } else {
    return make_detached_seed(std::move(given));
  }
}

}  // namespace detail
}  // namespace weft
