// Waiting for several things at once and doing the first that can be done.
//
//   std::size_t chosen = weft::select(
//       weft::on_recv(output, [&](std::optional<std::string> line) { ... }),
//       weft::on_send(requests, request),
//       weft::on_timeout(2s, [&] { ... }));
//
// Of the cases found ready one is chosen uniformly at random; that none was ready is judged at one
// instant for all channels. A nil channel is never ready. The same channel may stand in several
// cases; a select never meets itself. The chosen case's handler runs in the caller after every
// channel is let go, and may use them all; what it throws leaves select. Nothing is allocated.
#pragma once

#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <tuple>
#include <type_traits>
#include <utility>

#include <weft/chan.hpp>
#include <weft/context.hpp>
#include <weft/detail/select.hpp>
#include <weft/go.hpp>

namespace weft {

class select_case;

namespace detail {

class async_select_cases;

// The handler of a case that has none.
struct no_handler {};
template <class F>
void call_handler(std::remove_reference_t<F>& handler) {
  if constexpr (!std::is_same_v<std::remove_cvref_t<F>, no_handler>) {
    std::invoke(std::forward<F>(handler));
  }
}
// What a send on a chan<void> refers to.
inline constexpr no_value nothing{};

// Gives a received value to a caller's optional; T need not be assignable.
template <class T>
void fill(std::optional<T>& into, std::optional<T>& from) {
  into.reset();
  if (from) into.emplace(std::move(*from));
}

template <class T, class F>
class receive_case;
template <class T, class V, class F>
class send_case;

template <class Case>
concept any_case = requires(Case c) {
  { c.core() } -> std::same_as<select_case_core&>;
  c.finish();
};
// A case refers to what it was made from, so it is used in the expression that makes it.
template <class Case>
concept temporary_case = any_case<Case> && !std::is_lvalue_reference_v<Case>;

// What may follow the channel in on_recv: a function of what is received, or an optional (a bool,
// where T is void) to fill. Only the one is asked about: a generic lambda may not compile with the
// other.
template <class F, class T>
concept receive_handler =
    std::same_as<std::remove_cvref_t<F>, no_handler> ||
    (std::is_void_v<T> && (std::same_as<F, bool&> || std::invocable<F, bool>)) ||
    (!std::is_void_v<T> && (std::same_as<F, std::optional<element_of<T>>&> ||
                            std::invocable<F, std::optional<element_of<T>>>));
// A function without parameters.
template <class F>
concept plain_handler = std::same_as<std::remove_cvref_t<F>, no_handler> || std::invocable<F>;

// Receives into its own box and gives that to the handler, or into the caller's.
template <class T, class F>
class receive_case {
 public:
  receive_case(channel* on, F handler) : on_(on), handler_(std::forward<F>(handler)) {}
  receive_case(const receive_case&) = delete;
  channel_look look() const noexcept { return {on_, false}; }
  select_case_core& core() noexcept {
    select_case_core& core = core_.make(case_kind::receive);
    core.on = on_;
    core.node.element = &box_;
    return core;
  }
  void finish() {
    using Handler = std::remove_cvref_t<F>;
    if constexpr (std::is_same_v<Handler, no_handler>) {
    } else if constexpr (std::is_same_v<Handler, std::optional<element_of<T>>> &&
                         !std::is_void_v<T>) {
      fill(handler_, box_);
    } else if constexpr (std::is_void_v<T> && std::is_same_v<Handler, bool>) {
      handler_ = box_.has_value();
    } else if constexpr (std::is_void_v<T>) {
      std::invoke(std::forward<F>(handler_), box_.has_value());
    } else {
      std::invoke(std::forward<F>(handler_), std::move(box_));
    }
  }

 private:
  friend class weft::select_case;
  channel* on_;
  late_core core_;
  std::optional<element_of<T>> box_;
  F handler_;
};

// Refers to the value until the case is chosen; From is a reference to a T or to what makes one.
template <class T, class From, class F>
class send_case {
 public:
  send_case(channel* on, From value, F handler)
      : on_(on), value_(static_cast<From>(value)), handler_(std::forward<F>(handler)) {}
  send_case(const send_case&) = delete;
  channel_look look() const noexcept { return {on_, true}; }
  select_case_core& core() noexcept {
    select_case_core& core = core_.make(case_kind::send);
    core.on = on_;
    core.node.sender = &sender_type_of<T, From>;
    core.node.element = const_cast<void*>(static_cast<const void*>(std::addressof(value_)));
    return core;
  }
  void finish() {
    if (core_.get().lost_by_close) throw_closed_send();
    call_handler<F>(handler_);
  }

 private:
  friend class weft::select_case;
  channel* on_;
  late_core core_;
  From value_;
  F handler_;
};

// A time-out or a descriptor.
template <class F>
class plain_case {
 public:
  plain_case(select_case_core core, F handler) : core_(core), handler_(std::forward<F>(handler)) {}
  plain_case(const plain_case&) = delete;
  select_case_core& core() noexcept { return core_; }
  void finish() { call_handler<F>(handler_); }

 private:
  friend class weft::select_case;
  select_case_core core_;
  F handler_;
};

// Told by its type, so that a select knows when it is compiled that it never waits.
template <class F>
class default_case {
 public:
  explicit default_case(F handler) : handler_(std::forward<F>(handler)) {}
  default_case(const default_case&) = delete;
  select_case_core& core() noexcept { return core_.make(case_kind::otherwise); }
  void finish() { call_handler<F>(handler_); }

 private:
  friend class weft::select_case;
  late_core core_;
  F handler_;
};
template <class Case>
inline constexpr bool is_default = false;
template <class F>
inline constexpr bool is_default<default_case<F>> = true;

template <class Case>
concept channel_case = requires(const Case& c) {
  { c.look() } -> std::same_as<channel_look>;
};

template <class Case>
channel_look look_of(const Case& c) noexcept {
  if constexpr (channel_case<Case>) {
    return c.look();
  } else {
    return {};
  }
}

// The position of the chosen case. Of channels and one default a look is mostly all.
template <class... Cases>
std::size_t choose(Cases&... cases) {
  constexpr std::size_t count = sizeof...(Cases), defaults = (is_default<Cases> + ...);
  if constexpr (defaults == 1 && (channel_case<Cases> + ...) + defaults == count && count <= 16) {
    const channel_look looks[] = {look_of(cases)...};
    if (nothing_is_ready(looks, count)) {
      std::size_t position = 0;
      (void)((is_default<Cases> || (++position, false)) || ...);
      return position;
    }
  }
  select_case_core* const cores[] = {&cases.core()...};
  return select_among(cores, count);
}

// As plain_case; remembers the duration, which counts from each select that it is used in.
template <class F>
class timeout_case : public plain_case<F> {
 public:
  timeout_case(deadline limit, std::optional<std::chrono::nanoseconds> lasts, F handler)
      : plain_case<F>(make(limit), std::forward<F>(handler)), lasts_(lasts) {}

 private:
  friend class weft::select_case;
  static select_case_core make(deadline limit) {
    select_case_core core;
    core.kind = case_kind::timeout;
    core.limit = limit;
    return core;
  }
  std::optional<std::chrono::nanoseconds> lasts_;
};

// A stop token, which calls back. The calls that compare threads are in these functions, which are
// called through a table, so that nothing of the thread is kept across a wait.
template <class = void>  // so that nothing of it is in the library
class stop_source final : public case_source {
 public:
  explicit stop_source(std::stop_token token) noexcept : token_(std::move(token)) {}
  stop_source(stop_source&& other) noexcept : token_(std::move(other.token_)) {}
  bool is_ready(select_case_core&) override { return token_.stop_requested(); }
  void arm(select_case_core& c) override {
    if (token_.stop_possible()) callback_.emplace(token_, c.node.owner, c.node.index);
  }
  void disarm(select_case_core&) override { callback_.reset(); }

 private:
  struct call {
    waiter* owner;
    std::uint32_t index;
    std::atomic<bool>* called;
    void operator()() const noexcept {
      if (called != nullptr) called->store(true, std::memory_order_release);
      end_wait(owner, index);
    }
  };
#if defined(__SANITIZE_THREAD__)
  // The standard library takes two goroutines on one thread for one and then leaves out the
  // synchronisation by which TSan would see that the callback has ended. So one that was called
  // stays where it is.
  class registration {
   public:
    void emplace(const std::stop_token& token, waiter* owner, std::uint32_t index) {
      held_ = new held(token, owner, index);
    }
    void reset() noexcept {
      if (held_ != nullptr && !held_->called.load(std::memory_order_acquire)) delete held_;
      held_ = nullptr;
    }

   private:
    struct held {
      held(const std::stop_token& token, waiter* owner, std::uint32_t index)
          : callback(token, call{owner, index, &called}) {}
      std::atomic<bool> called{false};
      std::stop_callback<call> callback;
    };
    held* held_ = nullptr;
  };
#else
  class registration {
   public:
    void emplace(const std::stop_token& token, waiter* owner, std::uint32_t index) {
      callback_.emplace(token, call{owner, index, nullptr});
    }
    void reset() noexcept { callback_.reset(); }

   private:
    std::optional<std::stop_callback<call>> callback_;
  };
#endif
  std::stop_token token_;
  registration callback_;
};

// A case with a source of its own.
template <class Source, class F>
class source_case {
 public:
  source_case(Source source, F handler)
      : source_(std::move(source)), handler_(std::forward<F>(handler)) {
    core_.kind = case_kind::source;
  }
  source_case(const source_case&) = delete;
  select_case_core& core() noexcept {
    core_.source = &source_;
    return core_;
  }
  void finish() { call_handler<F>(handler_); }

 private:
  friend class weft::select_case;
  select_case_core core_;
  Source source_;
  F handler_;
};

// Receives from the channel that a context closes, and keeps it.
template <class F>
class done_case {
 public:
  done_case(recv_chan<void> on, F handler) : on_(std::move(on)), handler_(std::forward<F>(handler)) {}
  done_case(const done_case&) = delete;
  channel_look look() const noexcept { return {channel_access::core(on_), false}; }
  select_case_core& core() noexcept {
    select_case_core& core = core_.make(case_kind::receive);
    core.on = channel_access::core(on_);
    core.node.element = &box_;
    return core;
  }
  void finish() { call_handler<F>(handler_); }

 private:
  friend class weft::select_case;
  late_core core_;
  recv_chan<void> on_;
  std::optional<no_value> box_;
  F handler_;
};

template <class F>
plain_case<F> make_plain_case(case_kind kind, case_source* source, int descriptor, F&& handler) {
  select_case_core core;
  core.kind = kind;
  core.source = source;
  core.descriptor = descriptor;
  return plain_case<F>(core, std::forward<F>(handler));
}

template <class C>
struct element_of_channel;
template <template <class> class C, class T>
struct element_of_channel<C<T>> {
  using type = T;
};
template <class C>
using element_of_channel_t = typename element_of_channel<std::remove_cvref_t<C>>::type;

template <class C>
concept receivable = std::derived_from<std::remove_cvref_t<C>, channel_handle> &&
                     requires(const std::remove_cvref_t<C>& c) { c.recv(); };
// A value is copied from an lvalue and moved from an rvalue.
template <class V>
using sent_from = std::conditional_t<std::is_lvalue_reference_v<V>, const std::remove_reference_t<V>&,
                                     std::remove_reference_t<V>&&>;
// The channel's element can be made from it; a move-only lvalue has to be moved (std::move).
template <class V, class C>
concept makes_element = !std::is_void_v<element_of_channel_t<C>> &&
                        std::is_constructible_v<element_of_channel_t<C>, sent_from<V>>;

template <class C>
concept sendable = std::derived_from<std::remove_cvref_t<C>, channel_handle> &&
                   requires(const std::remove_cvref_t<C>& c) { c.close(); };

}  // namespace detail

/// Ready when the channel has a value or is closed. The handler is called with the
/// std::optional<T>, nullopt when closed and drained (T = void: with a bool), or is a
/// std::optional<T>& (bool&) to fill, or is left out.
template <detail::receivable C, detail::receive_handler<detail::element_of_channel_t<C>> F>
auto on_recv(const C& c, F&& handler) {
  return detail::receive_case<detail::element_of_channel_t<C>, F>(
      detail::channel_access::core(c), std::forward<F>(handler));
}
/// The same without a handler: what is received is dropped.
template <detail::receivable C>
auto on_recv(const C& c) {
  return detail::receive_case<detail::element_of_channel_t<C>, detail::no_handler>(
      detail::channel_access::core(c), detail::no_handler{});
}

template <detail::receivable C, class F>
  requires(!detail::receive_handler<F, detail::element_of_channel_t<C>>)
auto on_recv(const C&, F&&) = delete;  ///< A handler takes a std::optional<T>, or is one.

/// Ready when the channel can take the value, or is closed. The value is copied (an lvalue) or
/// moved (an rvalue) from only if this case is chosen; then the handler, if any, is called. Chosen
/// on a closed channel: select throws closed_channel.
template <detail::sendable C, detail::makes_element<C> V, detail::plain_handler F>
auto on_send(const C& c, V&& value, F&& handler) {
  using T = detail::element_of_channel_t<C>;
  using From = detail::sent_from<V>;
  return detail::send_case<T, From, F>(detail::channel_access::core(c), static_cast<From>(value),
                                       std::forward<F>(handler));
}
/// The same without a handler.
template <detail::sendable C, detail::makes_element<C> V>
auto on_send(const C& c, V&& value) {
  return on_send(c, std::forward<V>(value), detail::no_handler{});
}
template <detail::sendable C, class V, class... F>
  requires(!std::is_void_v<detail::element_of_channel_t<C>> && !detail::makes_element<V, C>)
auto on_send(const C&, V&&, F&&...) = delete;  ///< No T from it; move what cannot be copied.
/// The same for a chan<void>, which carries no value.
template <detail::sendable C, detail::plain_handler F>
  requires std::is_void_v<detail::element_of_channel_t<C>>
auto on_send(const C& c, F&& handler) {
  return detail::send_case<detail::no_value, const detail::no_value&, F>(
      detail::channel_access::core(c), detail::nothing, std::forward<F>(handler));
}
/// The same for a chan<void>, without a handler.
template <detail::sendable C>
  requires std::is_void_v<detail::element_of_channel_t<C>>
auto on_send(const C& c) {
  return on_send(c, detail::no_handler{});
}

/// Taken when nothing else is ready by then; a past one at once. A duration counts from here, or
/// in a select_case from each select.
template <class Rep, class Period, detail::plain_handler F = detail::no_handler>
auto on_timeout(std::chrono::duration<Rep, Period> d, F&& handler = {}) {
  return detail::timeout_case<F>(detail::deadline_after(d),
                                 std::chrono::nanoseconds(detail::to_nanoseconds(d)),
                                 std::forward<F>(handler));
}
/// The same at a point of any clock.
template <class Clock, class Duration, detail::plain_handler F = detail::no_handler>
auto on_timeout(std::chrono::time_point<Clock, Duration> at, F&& handler = {}) {
  return detail::timeout_case<F>(detail::deadline_at(at), std::nullopt, std::forward<F>(handler));
}

/// Ready when reading from (writing to) the descriptor would not block; hang-up and error are
/// ready, too. The descriptor may be in blocking mode, and must stay open meanwhile.
template <detail::plain_handler F = detail::no_handler>
auto on_readable(int fd, F&& handler = {}) {
  return detail::make_plain_case<F>(detail::case_kind::source, &detail::readable_source(), fd,
                                    std::forward<F>(handler));
}
/// The same for writing.
template <detail::plain_handler F = detail::no_handler>
auto on_writable(int fd, F&& handler = {}) {
  return detail::make_plain_case<F>(detail::case_kind::source, &detail::writable_source(), fd,
                                    std::forward<F>(handler));
}

/// Ready when the context is done, judged at the same instant as the channels; never on background().
template <detail::plain_handler F = detail::no_handler>
auto on_done(const context& ctx, F&& handler = {}) {
  return detail::done_case<F>(ctx.done(), std::forward<F>(handler));
}

/// Ready when a stop was requested. Never for a token without a stop state. A select that waits
/// registers a std::stop_callback; it is gone when select returns.
template <detail::plain_handler F = detail::no_handler>
auto on_stop(std::stop_token token, F&& handler = {}) {
  return detail::source_case<detail::stop_source<>, F>(
      detail::stop_source<>(std::move(token)), std::forward<F>(handler));
}

/// Ready when the goroutine has ended (or the handle has none): then get() and wait() do not wait.
/// The handle must stay where it is until select returns, and for a select_case as long as that is
/// used; nobody may take its result meanwhile.
template <class R, detail::plain_handler F = detail::no_handler>
auto on_joined(join_handle<R>& handle, F&& handler = {}) {
  return detail::source_case<detail::join_source, F>(
      detail::join_source(detail::join_access::joined(handle)), std::forward<F>(handler));
}

/// Taken when nothing else is ready at once, before a time-out that has passed.
template <detail::plain_handler F = detail::no_handler>
auto on_default(F&& handler = {}) {
  return detail::default_case<F>(std::forward<F>(handler));
}

/// Waits until one of the cases can go on, runs it and returns its position, from 0. Without a case
/// it waits for ever. @throws what the handler throws; closed_channel; goroutine_exit.
template <detail::temporary_case... Cases>
std::size_t select(Cases&&... cases) {
  if constexpr (sizeof...(Cases) == 0) {
    return detail::select_among(nullptr, 0);
  } else {
    const std::size_t chosen = detail::choose(cases...);
    std::size_t position = 0;
    (void)((position++ == chosen ? (cases.finish(), true) : false) || ...);
    return chosen;
  }
}

template <class... Cases>
  requires((detail::any_case<std::remove_reference_t<Cases>> && ...) &&
           (std::is_lvalue_reference_v<Cases> || ...))
std::size_t select(Cases&&...) = delete;  ///< Make the cases in the call, or use select_case.

namespace detail {

// g++ before 12.3 destroys what a lambda has captured twice, if the lambda is a temporary of a
// co_await expression (GCC bug 99576): harmless only where there is nothing to destroy.
#if defined(__GNUC__) && !defined(__clang__) && (__GNUC__ < 12 || (__GNUC__ == 12 && __GNUC_MINOR__ < 3))
template <class F>
inline constexpr bool survives_co_await =
    std::is_reference_v<F> || std::is_trivially_destructible_v<F>;
#else
template <class F>
inline constexpr bool survives_co_await = true;
#endif
template <class Case>
inline constexpr bool handler_survives_co_await = true;
template <template <class...> class Case, class F>
inline constexpr bool handler_survives_co_await<Case<F>> = survives_co_await<F>;
template <class T, class F>
inline constexpr bool handler_survives_co_await<receive_case<T, F>> = survives_co_await<F>;
template <class T, class V, class F>
inline constexpr bool handler_survives_co_await<send_case<T, V, F>> = survives_co_await<F>;

// What async_select() gives. It refers to its cases, which are temporaries of the same co_await.
template <any_case... Cases>
class [[nodiscard]] async_select_awaiter {
 public:
  explicit async_select_awaiter(Cases&... cases) noexcept : cases_(std::addressof(cases)...) {}
  async_select_awaiter(const async_select_awaiter&) = delete;

  bool await_ready() {
    [[maybe_unused]] std::size_t i = 0;
    std::apply([&](Cases*... c) { ((cores_[i++] = &c->core()), ...); }, cases_);
    return async_select_ready(state_, cores_, sizeof...(Cases));
  }
  bool await_suspend(std::coroutine_handle<> who) noexcept {
    return async_select_suspend(state_, who);
  }
  std::size_t await_resume() {
    const std::size_t chosen = async_select_resume(state_);
    [[maybe_unused]] std::size_t position = 0;
    std::apply(
        [&](Cases*... c) {
          (void)((position++ == chosen ? (c->finish(), true) : false) || ...);
        },
        cases_);
    return chosen;
  }

 private:
  std::tuple<Cases*...> cases_;
  select_case_core* cores_[sizeof...(Cases) + 1] = {};
  async_select_state state_;  // goes first
};

}  // namespace detail

/// select() for a coroutine: `co_await async_select(on_recv(...), ...)`. Any coroutine may await it;
/// the cases are temporaries of the same expression. The handler runs in the coroutine. Nothing is
/// allocated. With g++ before 12.3 a handler whose captures need destruction has to be a variable,
/// not a temporary, because of GCC bug 99576. @throws as select().
template <detail::any_case... Cases>
  requires(!std::is_lvalue_reference_v<Cases> && ...)
auto async_select(Cases&&... cases) {
  static_assert((detail::handler_survives_co_await<Cases> && ...),
                "weft::async_select: this g++ destroys the captures of a handler that is a temporary "
                "of a co_await expression twice (GCC bug 99576, before 12.3); put the handler into a "
                "variable and pass that, or capture by reference");
  return detail::async_select_awaiter<Cases...>(cases...);
}

/// A case for a number of cases known only at run time: made from what the on_ functions give,
/// movable, and used again by every select over a span that holds it. The value and the handler
/// are copied or moved in when it is made. A chosen send's value is gone: set it anew with
/// value(); a send without one makes select throw std::logic_error.
class select_case {
 public:
  /// From on_recv.
  template <class T, class F>
  select_case(detail::receive_case<T, F>&& from)
      : self_(std::make_unique<receive_model<T, std::remove_cvref_t<F>, F>>(from)) {}
  /// From on_send.
  template <class T, class V, class F>
  select_case(detail::send_case<T, V, F>&& from)
      : self_(std::make_unique<send_model<T, std::remove_cvref_t<F>>>(from)) {}
  /// From on_default.
  template <class F>
  select_case(detail::default_case<F>&& from)
      : self_(std::make_unique<plain_model<std::remove_cvref_t<F>>>(from)) {}
  /// From on_readable and on_writable.
  template <class F>
  select_case(detail::plain_case<F>&& from)
      : self_(std::make_unique<plain_model<std::remove_cvref_t<F>>>(from)) {}
  /// From on_done.
  template <class F>
  select_case(detail::done_case<F>&& from)
      : self_(std::make_unique<done_model<std::remove_cvref_t<F>>>(from)) {}
  /// From on_stop and on_joined.
  template <class Source, class F>
  select_case(detail::source_case<Source, F>&& from)
      : self_(std::make_unique<source_model<Source, std::remove_cvref_t<F>>>(from)) {}
  /// From on_timeout.
  template <class F>
  select_case(detail::timeout_case<F>&& from)
      : self_(std::make_unique<timeout_model<std::remove_cvref_t<F>>>(from)) {}

  /// Sets the value of a send. @throws std::logic_error if this is no send of that type.
  template <class V>
  void value(V&& v) {
    using T = std::decay_t<V>;
    auto* box = self_ == nullptr
                    ? nullptr
                    : static_cast<std::optional<T>*>(self_->value_box(type_key<T>()));
    if (box == nullptr) {
      detail::throw_select_misuse("select_case::value: not a send of a value of this type");
    }
    box->emplace(std::forward<V>(v));
  }

 private:
  friend std::size_t select(std::span<select_case> cases);
  friend class detail::async_select_cases;

  // An address that stands for a type.
  template <class T>
  static const void* type_key() noexcept {
    static constexpr char key = 0;
    return &key;
  }

  struct model {
    detail::select_case_core core;
    detail::channel_ref keeps;  // the case may outlive the handle that it was made from
    void take(const detail::select_case_core& from) {
      core = from;
      if (core.on != nullptr) {
        detail::retain_channel(core.on);
        keeps = detail::channel_ref(core.on);
      }
    }
    virtual ~model() = default;
    virtual void prepare() = 0;
    virtual void finish() = 0;
    virtual void* value_box(const void*) noexcept { return nullptr; }
  };

  // The caller's optional stays a reference; any other handler is copied or moved in.
  template <class T, class Handler, class F>
  struct receive_model final : model {
    static constexpr bool fills = std::is_same_v<Handler, std::optional<detail::element_of<T>>> ||
                                  std::is_same_v<Handler, bool>;
    explicit receive_model(detail::receive_case<T, F>& from)
        : handler(static_cast<F&&>(from.handler_)) {
      take(from.core());
    }
    void prepare() override {
      box.reset();
      core.node.element = &box;
    }
    void finish() override {
      if constexpr (std::is_same_v<Handler, detail::no_handler>) {
      } else if constexpr (fills && std::is_void_v<T>) {
        handler = box.has_value();
      } else if constexpr (fills) {
        detail::fill(handler, box);
      } else if constexpr (std::is_void_v<T>) {
        std::invoke(handler, box.has_value());
      } else {
        std::invoke(handler, std::move(box));
      }
    }
    std::optional<detail::element_of<T>> box;
    std::conditional_t<fills, F, Handler> handler;
  };

  template <class T, class Handler>
  struct send_model final : model {
    template <class V, class F>
    explicit send_model(detail::send_case<T, V, F>& from)
        : value(std::in_place, static_cast<V>(from.value_)), handler(static_cast<F&&>(from.handler_)) {
      take(from.core());
      core.node.sender = &detail::sender_type_of<T, T&&>;
    }
    void prepare() override {
      if constexpr (std::is_same_v<T, detail::no_value>) value.emplace();
      if (!value) {
        detail::throw_select_misuse(
            "select: a send case has no value; set one with select_case::value()");
      }
      core.node.element = std::addressof(*value);
    }
    void finish() override {
      if (core.lost_by_close) detail::throw_closed_send();
      value.reset();
      if constexpr (!std::is_same_v<Handler, detail::no_handler>) std::invoke(handler);
    }
    void* value_box(const void* key) noexcept override {
      return key == type_key<T>() ? &value : nullptr;
    }
    std::optional<T> value;
    Handler handler;
  };

  template <class Handler>
  struct plain_model : model {
    template <class F>
    explicit plain_model(detail::plain_case<F>& from) : handler(static_cast<F&&>(from.handler_)) {
      this->take(from.core());
    }
    template <class F>
    explicit plain_model(detail::default_case<F>& from) : handler(static_cast<F&&>(from.handler_)) {
      this->take(from.core());
    }
    void prepare() override {}
    void finish() override {
      if constexpr (!std::is_same_v<Handler, detail::no_handler>) std::invoke(handler);
    }
    Handler handler;
  };

  template <class Handler>
  struct done_model final : model {
    template <class F>
    explicit done_model(detail::done_case<F>& from) : handler(static_cast<F&&>(from.handler_)) {
      take(from.core());
    }
    void prepare() override {
      box.reset();
      core.node.element = &box;
    }
    void finish() override {
      if constexpr (!std::is_same_v<Handler, detail::no_handler>) std::invoke(handler);
    }
    std::optional<detail::no_value> box;
    Handler handler;
  };

  template <class Source, class Handler>
  struct source_model final : model {
    template <class F>
    explicit source_model(detail::source_case<Source, F>& from)
        : source(std::move(from.source_)), handler(static_cast<F&&>(from.handler_)) {
      take(from.core());
    }
    void prepare() override { core.source = &source; }
    void finish() override {
      if constexpr (!std::is_same_v<Handler, detail::no_handler>) std::invoke(handler);
    }
    Source source;
    Handler handler;
  };

  template <class Handler>
  struct timeout_model final : plain_model<Handler> {
    template <class F>
    explicit timeout_model(detail::timeout_case<F>& from)
        : plain_model<Handler>(from), lasts(from.lasts_) {}
    void prepare() override {
      if (lasts) this->core.limit = detail::deadline_after(*lasts);
    }
    std::optional<std::chrono::nanoseconds> lasts;
  };

  std::unique_ptr<model> self_;
};

/// The same for a number of cases known at run time. Allocates only beyond 64 cases. One
/// select_case must not be used by two selects at once.
std::size_t select(std::span<select_case> cases);

namespace detail {

// The cases of an async_select over a span.
class async_select_cases {
 public:
  explicit async_select_cases(std::span<select_case> cases);
  select_case_core* const* prepare();
  std::size_t size() const noexcept { return cases_.size(); }
  void finish(std::size_t chosen);

 private:
  static constexpr std::size_t on_the_spot = 4;
  std::span<select_case> cases_;
  select_case_core* few_[on_the_spot] = {};
  std::unique_ptr<select_case_core*[]> many_;
};

class [[nodiscard]] async_select_span_awaiter {
 public:
  explicit async_select_span_awaiter(std::span<select_case> cases) : cases_(cases) {}
  async_select_span_awaiter(const async_select_span_awaiter&) = delete;

  bool await_ready() { return async_select_ready(state_, cases_.prepare(), cases_.size()); }
  bool await_suspend(std::coroutine_handle<> who) noexcept {
    return async_select_suspend(state_, who);
  }
  std::size_t await_resume() {
    const std::size_t chosen = async_select_resume(state_);
    cases_.finish(chosen);
    return chosen;
  }

 private:
  async_select_cases cases_;
  async_select_state state_;  // goes first
};

}  // namespace detail

/// The same for a coroutine. The cases must live until it has gone on. Allocates beyond 4 cases.
inline auto async_select(std::span<select_case> cases) {
  return detail::async_select_span_awaiter(cases);
}

}  // namespace weft
