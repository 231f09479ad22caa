// Contexts (Go's): cancellation, deadlines and values that are handed down from caller to callee.
//
//   auto [ctx, cancel] = weft::with_timeout(weft::background(), 5s);
//   weft::go([ctx] { ... weft::select(weft::on_recv(work, ...), weft::on_done(ctx)); ... });
//   cancel();
//
// A context is made from another, its parent; cancelling one reaches every context made from it,
// directly or not, and never its parent. No function here waits, and all may be called from several
// goroutines and threads at once. A context costs an allocation, one with a deadline three; no
// goroutine belongs to it, and no timer is left once it is done.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <type_traits>
#include <utility>

#include <weft/chan.hpp>
#include <weft/coro.hpp>
#include <weft/detail/clock.hpp>
#include <weft/detail/seed.hpp>

namespace weft {

/// Why a context is done.
enum class context_error : std::uint8_t { none, cancelled, deadline_exceeded };

/// The cause of a context that was cancelled without one.
class context_cancelled : public std::runtime_error {
 public:
  context_cancelled();
};
/// The cause of a context whose deadline has passed.
class context_deadline_exceeded : public std::runtime_error {
 public:
  context_deadline_exceeded();
};

/// Names a value in contexts, by its address: `static const weft::key<std::string> user;`.
template <class T>
class key {
 public:
  constexpr key() noexcept {}
  key(const key&) = delete;
  key& operator=(const key&) = delete;
};

namespace detail {

struct context_state;
struct function_hook;
struct context_access;

// A value with its key, as a context holds it.
struct context_value {
  explicit context_value(const void* k) noexcept : key(k) {}
  virtual ~context_value() = default;
  const void* key;
};
template <class T>
struct context_value_of final : context_value {
  context_value_of(const void* k, T&& v) : context_value(k), value(std::move(v)) {}
  const T value;
};

void retain_context(context_state*) noexcept;
void release_context(context_state*) noexcept;
const context_value* find_value(const context_state*, const void* key) noexcept;

}  // namespace detail

/// A cheap shared handle. Made by default it is background(): never done, without deadline or values.
class context {
 public:
  /// background().
  context() noexcept = default;
  /// Shares the context.
  context(const context& other) noexcept : state_(other.state_) {
    if (state_ != nullptr) detail::retain_context(state_);
  }
  /// The other is then background().
  context(context&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  /// Lets go of what this one was.
  context& operator=(context other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  ~context() {
    if (state_ != nullptr) detail::release_context(state_);
  }

  /// The nearest value of that key, from here upwards; null without one. It lives as long as this
  /// context. Costs a step for each context upwards.
  template <class T>
  [[nodiscard]] const T* value(const key<T>& k) const {
    const detail::context_value* found = detail::find_value(state_, &k);
    return found != nullptr ? &static_cast<const detail::context_value_of<T>*>(found)->value
                            : nullptr;
  }
  /// Closed once the context is done; the nil channel if it never can be. Always the same one, made
  /// by the first call. @throws std::bad_alloc
  [[nodiscard]] recv_chan<void> done() const;
  /// Why it is done; none until then.
  [[nodiscard]] context_error err() const noexcept;
  /// Null until it is done; then what the first cancel gave, or a context_cancelled or
  /// context_deadline_exceeded. A child that was done through its parent has its parent's.
  [[nodiscard]] std::exception_ptr cause() const;
  /// When it will be done at the latest: its own deadline or an earlier one of a parent.
  [[nodiscard]] std::optional<clock::time_point> deadline() const noexcept;
  /// For code that knows std::stop_token only: a stop is requested once the context is done, after
  /// its channel is closed. Its callbacks run inside the cancel, and after a deadline in a goroutine;
  /// they must not wait. Without a stop state if it never can be done. @throws std::bad_alloc
  [[nodiscard]] std::stop_token stop_token() const;

  /// Whether both are handles of the same context.
  friend bool operator==(const context& a, const context& b) noexcept {
    return a.state_ == b.state_;
  }

 private:
  friend struct detail::context_access;
  explicit context(detail::context_state* owned) noexcept : state_(owned) {}

  detail::context_state* state_ = nullptr;
};

/// Cancels the context that it came with. Move-only; one that was moved from, or made by default, does
/// nothing. Destroying it cancels, so keep it as long as the context is to live.
class cancel_function {
 public:
  /// Cancels nothing.
  cancel_function() noexcept = default;
  /// The other then cancels nothing.
  cancel_function(cancel_function&& other) noexcept
      : state_(std::exchange(other.state_, nullptr)) {}
  /// Cancels what this one was for.
  cancel_function& operator=(cancel_function&& other) noexcept {
    if (this != &other) {
      drop();
      state_ = std::exchange(other.state_, nullptr);
    }
    return *this;
  }
  ~cancel_function() { drop(); }

  /// Every child is done, too, when it returns. The first cause wins: later calls change nothing.
  /// Callbacks of stop tokens run inside it. Never waits.
  void operator()(std::exception_ptr cause = nullptr) const noexcept;

 private:
  friend struct detail::context_access;
  explicit cancel_function(detail::context_state* owned) noexcept : state_(owned) {}
  void drop() noexcept;

  detail::context_state* state_ = nullptr;
};

/// Takes back an after_func(). Copies share the registration. Destroying it stops nothing.
class stop_function {
 public:
  /// Stops nothing.
  stop_function() noexcept = default;
  /// Shares the registration.
  stop_function(const stop_function& other) noexcept;
  /// The other then stops nothing.
  stop_function(stop_function&& other) noexcept : hook_(std::exchange(other.hook_, nullptr)) {}
  /// Lets go of what this one was for, which stops nothing.
  stop_function& operator=(stop_function other) noexcept {
    std::swap(hook_, other.hook_);
    return *this;
  }
  ~stop_function();

  /// True: the function will not be called, and is destroyed. False: it was started or stopped before.
  /// Does not wait for it.
  bool operator()() const;

 private:
  friend struct detail::context_access;
  explicit stop_function(detail::function_hook* owned) noexcept : hook_(owned) {}

  detail::function_hook* hook_ = nullptr;
};

namespace detail {

std::pair<context, cancel_function> make_cancelable(context parent, detail::deadline);
context make_value_context(context parent, std::unique_ptr<context_value>);
stop_function start_when_done(const context&, seed*);

}  // namespace detail

/// The context that is never done: where all others begin.
[[nodiscard]] inline context background() noexcept { return {}; }

/// A child with a cancel of its own.
[[nodiscard]] std::pair<context, cancel_function> with_cancel(context parent);

/// The same with a deadline, unless the parent's is earlier. One that has passed: done at once.
template <class Rep, class Period>
[[nodiscard]] std::pair<context, cancel_function> with_timeout(
    context parent, std::chrono::duration<Rep, Period> d) {
  return detail::make_cancelable(std::move(parent), detail::deadline_after(d));
}
/// The same at a point of any clock.
template <class Clock, class Duration>
[[nodiscard]] std::pair<context, cancel_function> with_deadline(
    context parent, std::chrono::time_point<Clock, Duration> at) {
  return detail::make_cancelable(std::move(parent), detail::deadline_at(at));
}

/// A child that has a value, beside those of its parents. It is read by several goroutines at once.
template <class T>
[[nodiscard]] context with_value(context parent, const key<T>& k, std::type_identity_t<T> value) {
  return detail::make_value_context(
      std::move(parent), std::make_unique<detail::context_value_of<T>>(&k, std::move(value)));
}

/// A child with its parent's values, which is not done with its parent and has no deadline.
[[nodiscard]] context without_cancel(context parent);

/// Calls f in a goroutine of its own once ctx is done, at once if it is: in the runtime in which it
/// is cancelled. f may return a coro. What f throws is uncaught. Move-only is fine. Never waits.
template <class F>
  requires std::invocable<std::decay_t<F>>
stop_function after_func(const context& ctx, F&& f) {
  return detail::start_when_done(
      ctx, detail::make_start_seed(detail::bind_callable(std::forward<F>(f))));
}

}  // namespace weft
