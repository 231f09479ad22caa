// Typed channels: how goroutines and plain threads hand values to each other.
//
// Every operation may be called from a goroutine, which parks, and from a plain thread, which
// blocks; coroutines await the async_ forms. One channel may serve all at once. Values arrive in the
// order in which they were sent, each once; waiting senders and receivers are served in the order
// in which they came. A send happens before its receive returns, a close before a receive that sees
// it, and the k-th receive on a channel of capacity C before the (k+C)-th send returns.
//
// T's copy, move and destructor run inside the operation, under the channel's lock: they must not
// wait and must not use the same channel. What they throw leaves the operation that ran them; that
// value is dropped or stays with its sender, and the channel goes on working.
//
// A goroutine whose run ends is thrown goroutine_exit by the operations that wait.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <weft/detail/async_channel.hpp>
#include <weft/detail/channel.hpp>
#include <weft/detail/clock.hpp>

namespace weft {
namespace detail {

/// What every kind of channel handle is made of and can do.
class channel_handle {
 public:
  /// True from close() on, drained or not; false for the nil channel.
  [[nodiscard]] bool closed() const noexcept { return is_channel_closed(ref_.get()); }
  /// A number of buffered values that the channel had during the call; 0 for the nil channel.
  [[nodiscard]] std::size_t size() const noexcept { return channel_size(ref_.get()); }
  /// How many values it buffers; 0 for an unbuffered and for the nil channel.
  [[nodiscard]] std::size_t capacity() const noexcept { return channel_capacity(ref_.get()); }
  /// False for the nil channel.
  explicit operator bool() const noexcept { return ref_.get() != nullptr; }

 protected:
  channel_handle() noexcept = default;
  explicit channel_handle(channel_ref ref) noexcept : ref_(std::move(ref)) {}
  channel* core() const noexcept { return ref_.get(); }

 private:
  channel_ref ref_;
  friend struct channel_access;
};

struct channel_access {
  static channel* core(const channel_handle& handle) noexcept { return handle.core(); }
  static const channel_ref& ref(const channel_handle& handle) noexcept { return handle.ref_; }
};

/// What chan and send_chan can do: sending. Every operation may be called by any number of
/// goroutines and threads at once.
template <class T, class Base>
class sending : public Base {
 public:
  /// Waits until a receiver or the buffer has taken the value. A value is copied or moved from
  /// only then. @throws closed_channel, also when closed while it waits.
  void send(const T& value) const
    requires std::copy_constructible<T>
  {
    send_or_throw(this->core(), address(value), copied);
  }
  /// What cannot be copied has to be moved.
  void send(const T&) const  // Move what cannot be copied: send(std::move(value)).
    requires(!std::copy_constructible<T>)
  = delete;
  /// The same, moving from the value.
  void send(T&& value) const { send_or_throw(this->core(), address(value), moved); }

  /// Never waits: ok, full or closed. The value is copied or moved from only on ok.
  chan_status try_send(const T& value) const
    requires std::copy_constructible<T>
  {
    return send_to(this->core(), address(value), copied, deadline::none());
  }
  /// What cannot be copied has to be moved.
  chan_status try_send(const T&) const  // Move what cannot be copied: try_send(std::move(value)).
    requires(!std::copy_constructible<T>)
  = delete;
  /// The same, moving from the value.
  chan_status try_send(T&& value) const {
    return send_to(this->core(), address(value), moved, deadline::none());
  }

  /// Waits so long at most: ok, closed or timeout.
  template <class Rep, class Period>
  chan_status send_for(const T& value, std::chrono::duration<Rep, Period> limit) const
    requires std::copy_constructible<T>
  {
    return send_to(this->core(), address(value), copied, deadline_after(limit));
  }
  /// The same, moving from the value.
  template <class Rep, class Period>
  chan_status send_for(T&& value, std::chrono::duration<Rep, Period> limit) const {
    return send_to(this->core(), address(value), moved, deadline_after(limit));
  }
  /// Waits until then at most: ok, closed or timeout.
  template <class Clock, class Duration>
  chan_status send_until(const T& value, std::chrono::time_point<Clock, Duration> limit) const
    requires std::copy_constructible<T>
  {
    return send_to(this->core(), address(value), copied, deadline_at(limit));
  }
  /// The same, moving from the value.
  template <class Clock, class Duration>
  chan_status send_until(T&& value, std::chrono::time_point<Clock, Duration> limit) const {
    return send_to(this->core(), address(value), moved, deadline_at(limit));
  }

  /// For a coroutine: `co_await c.async_send(v)` is send(v), and suspends where that waits. Any
  /// coroutine may await it, once. Nothing is allocated. @throws closed_channel
  auto async_send(T value) const {
    return async_send_awaiter<T>(this->core(), std::move(value));
  }

  /// No more values: wakes all that wait. What is buffered can still be received.
  /// @throws closed_channel on a closed channel, nil_channel on the nil one.
  void close() const { close_channel(this->core()); }

 protected:
  using Base::Base;

 private:
  // Named only where the copying calls are, which move-only types do not have.
  static constexpr const sender_type& copied = sender_type_of<T, const T&>;
  static constexpr const sender_type& moved = sender_type_of<T, T&&>;
  static void* address(const T& value) noexcept {
    return const_cast<void*>(static_cast<const void*>(std::addressof(value)));
  }
};

/// The same where there is no value to send.
template <class Base>
class sending<void, Base> : public Base {
 public:
  /// Waits until a receiver or the buffer has taken the event. @throws closed_channel, also when
  /// closed while it waits.
  void send() const { send_or_throw(this->core(), &nothing_, sender); }
  /// Never waits: ok, full or closed.
  chan_status try_send() const {
    return send_to(this->core(), &nothing_, sender, deadline::none());
  }
  /// Waits so long at most: ok, closed or timeout.
  template <class Rep, class Period>
  chan_status send_for(std::chrono::duration<Rep, Period> limit) const {
    return send_to(this->core(), &nothing_, sender, deadline_after(limit));
  }
  /// Waits until then at most: ok, closed or timeout.
  template <class Clock, class Duration>
  chan_status send_until(std::chrono::time_point<Clock, Duration> limit) const {
    return send_to(this->core(), &nothing_, sender, deadline_at(limit));
  }
  /// For a coroutine: `co_await c.async_send()` is send(). Any coroutine may await it, once.
  /// @throws closed_channel
  auto async_send() const { return async_send_awaiter<no_value>(this->core(), no_value{}); }
  /// No more events: wakes all that wait.
  /// @throws closed_channel on a closed channel, nil_channel on the nil one.
  void close() const { close_channel(this->core()); }

 protected:
  using Base::Base;

 private:
  static constexpr const sender_type& sender = sender_type_of<no_value, no_value&&>;
  static inline no_value nothing_;  // empty: nobody reads or writes it
};

// Receives until the channel is closed and drained.
template <class T>
class channel_iterator {
 public:
  using value_type = T;
  using reference = T&;
  using difference_type = std::ptrdiff_t;
  using iterator_concept = std::input_iterator_tag;

  channel_iterator() = default;
  explicit channel_iterator(channel_ref from) : from_(std::move(from)) { ++*this; }
  reference operator*() const { return *value_; }
  T* operator->() const { return std::addressof(*value_); }
  channel_iterator& operator++() {
    value_.reset();
    receive_from(from_.get(), &value_, deadline::never());
    return *this;
  }
  void operator++(int) { ++*this; }
  friend bool operator==(const channel_iterator& i, std::default_sentinel_t) {
    return !i.value_.has_value();
  }

 private:
  channel_ref from_;
  mutable std::optional<T> value_;
};

/// What chan and recv_chan can do: receiving. Every operation may be called by any number of
/// goroutines and threads at once.
template <class T, class Base>
class receiving : public Base {
 public:
  /// An input iterator: each increment receives.
  using iterator = channel_iterator<T>;
  /// What the iterator is compared with.
  using sentinel = std::default_sentinel_t;

  /// Waits for a value; nullopt: closed and drained.
  std::optional<T> recv() const {
    std::optional<T> value;
    receive_from(this->core(), &value, deadline::never());
    return value;
  }
  /// Never waits: ok, empty or closed. The value is reset unless ok.
  chan_status try_recv(std::optional<T>& value) const {
    value.reset();
    return receive_from(this->core(), &value, deadline::none());
  }
  /// Waits so long at most: ok, closed or timeout. The value is reset unless ok.
  template <class Rep, class Period>
  chan_status recv_for(std::optional<T>& value, std::chrono::duration<Rep, Period> limit) const {
    value.reset();
    return receive_from(this->core(), &value, deadline_after(limit));
  }
  /// Waits until then at most: ok, closed or timeout. The value is reset unless ok.
  template <class Clock, class Duration>
  chan_status recv_until(std::optional<T>& value,
                         std::chrono::time_point<Clock, Duration> limit) const {
    value.reset();
    return receive_from(this->core(), &value, deadline_at(limit));
  }

  /// For a coroutine: `co_await c.async_recv()` is recv(), and suspends where that waits. Any
  /// coroutine may await it, once. Nothing is allocated.
  auto async_recv() const { return async_recv_awaiter<T>(this->core()); }

  /// for (T& value : channel): receives until the channel is closed and drained.
  iterator begin() const { return iterator(channel_access::ref(*this)); }
  /// Reached when the channel is closed and drained.
  sentinel end() const { return {}; }

 protected:
  using Base::Base;
};

/// The same where there is no value to receive.
template <class Base>
class receiving<void, Base> : public Base {
 public:
  /// Waits for a value; false: closed and drained.
  bool recv() const {
    std::optional<no_value> value;
    receive_from(this->core(), &value, deadline::never());
    return value.has_value();
  }
  /// Never waits: ok, empty or closed.
  chan_status try_recv() const {
    std::optional<no_value> value;
    return receive_from(this->core(), &value, deadline::none());
  }
  /// Waits so long at most: ok, closed or timeout.
  template <class Rep, class Period>
  chan_status recv_for(std::chrono::duration<Rep, Period> limit) const {
    std::optional<no_value> value;
    return receive_from(this->core(), &value, deadline_after(limit));
  }
  /// Waits until then at most: ok, closed or timeout.
  template <class Clock, class Duration>
  chan_status recv_until(std::chrono::time_point<Clock, Duration> limit) const {
    std::optional<no_value> value;
    return receive_from(this->core(), &value, deadline_at(limit));
  }
  /// For a coroutine: `co_await c.async_recv()` is recv(). Any coroutine may await it, once.
  auto async_recv() const { return async_event_awaiter(this->core()); }

 protected:
  using Base::Base;
};

// What a channel holds; chan<void> carries an empty type.
template <class T>
using element_of = std::conditional_t<std::is_void_v<T>, no_value, T>;

// Asked where the type may be incomplete still: a struct may hold a channel of itself.
template <class T>
concept object_or_void =
    std::is_void_v<T> || (std::is_object_v<T> && !std::is_array_v<T> && !std::is_const_v<T>);

// Asked where a channel is made.
template <class T>
concept channel_element =
    std::is_void_v<T> || (std::is_move_constructible_v<T> && std::is_nothrow_destructible_v<T>);

}  // namespace detail

/// A channel, or rather a shared handle to one: copying shares the channel, which lives as long as
/// one of its handles. T is a move-constructible object type or void.
template <class T>
class chan : public detail::receiving<T, detail::sending<T, detail::channel_handle>> {
  static_assert(detail::object_or_void<T>,
                "weft::chan<T>: T must be void or a move-constructible object type, neither const "
                "nor a reference nor an array; send a pointer or a std::reference_wrapper instead");
  using base = detail::receiving<T, detail::sending<T, detail::channel_handle>>;

 public:
  /// Unbuffered: a send waits for its receive.
  chan() : chan(0) {}
  /// Buffers up to `capacity` values, whose memory is taken here. @throws std::bad_alloc
  explicit chan(std::size_t capacity)
      : base(detail::channel_ref(
            detail::make_channel(detail::element_type_of<detail::element_of<T>>, capacity))) {
    static_assert(detail::channel_element<T>,
                  "weft::chan<T>: T must be move-constructible and its destructor must not throw; "
                  "send a std::unique_ptr<T> instead");
  }
  /// The nil channel: send and recv wait for ever, try_ gives full or empty, _for times out, close
  /// throws nil_channel; in a select it is never ready.
  template <std::same_as<std::nullptr_t> N>
  chan(N) noexcept {}

  /// Whether both are handles of the same channel.
  friend bool operator==(const chan& a, const chan& b) noexcept { return a.core() == b.core(); }
};

/// The sending half of a channel, made from a chan. By default the nil channel.
template <class T>
class send_chan : public detail::sending<T, detail::channel_handle> {
  static_assert(detail::object_or_void<T>,
                "weft::send_chan<T>: T must be void or a move-constructible object type");
  using base = detail::sending<T, detail::channel_handle>;

 public:
  /// The nil channel.
  send_chan() noexcept = default;
  /// Shares the channel.
  send_chan(const chan<T>& c) noexcept : base(detail::channel_access::ref(c)) {}
  /// Whether both are handles of the same channel.
  friend bool operator==(const send_chan& a, const send_chan& b) noexcept {
    return a.core() == b.core();
  }
};

/// The receiving half of a channel, made from a chan. By default the nil channel.
template <class T>
class recv_chan : public detail::receiving<T, detail::channel_handle> {
  static_assert(detail::object_or_void<T>,
                "weft::recv_chan<T>: T must be void or a move-constructible object type");
  using base = detail::receiving<T, detail::channel_handle>;

 public:
  /// The nil channel.
  recv_chan() noexcept = default;
  /// Shares the channel.
  recv_chan(const chan<T>& c) noexcept : base(detail::channel_access::ref(c)) {}
  /// Whether both are handles of the same channel.
  friend bool operator==(const recv_chan& a, const recv_chan& b) noexcept {
    return a.core() == b.core();
  }
};

}  // namespace weft
