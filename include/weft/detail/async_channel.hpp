// Sending to and receiving from a channel in a coroutine.
#pragma once

#include <coroutine>
#include <memory>
#include <optional>
#include <utility>

#include <weft/detail/async.hpp>
#include <weft/detail/channel.hpp>

namespace weft::detail {

struct async_channel_state : async_state {
  explicit async_channel_state(channel* c) noexcept : on(c) {}
  ~async_channel_state() {
    if (suspended) withdraw_async(*this);
    if (holds) release_channel(on);
  }
  wait_node node{};
  channel* on;  // null: the nil channel
};

static_assert(sizeof(async_channel_state) <= 160);

// `how` is null for a receive, whose element is its std::optional.
bool async_channel_ready(async_channel_state&, void* element, const sender_type* how);
bool async_channel_suspend(async_channel_state&, std::coroutine_handle<>) noexcept;
void async_channel_resume(async_channel_state&);  // throws closed_channel for a send

// What async_send() gives: co_await it once. Until then it may be moved, and the channel's handle
// must live.
template <class T>
class [[nodiscard]] async_send_awaiter {
 public:
  async_send_awaiter(channel* on, T&& value) : value_(std::move(value)), state_(on) {}
  async_send_awaiter(async_send_awaiter&& other)
      : value_(std::move(other.value_)), state_(other.state_.on) {}

  bool await_ready() {
    return async_channel_ready(state_, std::addressof(value_), &sender_type_of<T, T&&>);
  }
  bool await_suspend(std::coroutine_handle<> who) noexcept {
    return async_channel_suspend(state_, who);
  }
  void await_resume() { async_channel_resume(state_); }

 private:
  T value_;
  async_channel_state state_;  // goes first
};

// What async_recv() gives; as above.
template <class T>
class [[nodiscard]] async_recv_awaiter {
 public:
  explicit async_recv_awaiter(channel* on) noexcept : state_(on) {}
  async_recv_awaiter(async_recv_awaiter&& other) noexcept : state_(other.state_.on) {}

  bool await_ready() { return async_channel_ready(state_, &value_, nullptr); }
  bool await_suspend(std::coroutine_handle<> who) noexcept {
    return async_channel_suspend(state_, who);
  }
  std::optional<T> await_resume() {
    async_channel_resume(state_);
    return std::move(value_);
  }

 private:
  std::optional<T> value_;
  async_channel_state state_;  // goes first
};

// The receive of a chan<void>.
class [[nodiscard]] async_event_awaiter {
 public:
  explicit async_event_awaiter(channel* on) noexcept : state_(on) {}
  async_event_awaiter(async_event_awaiter&& other) noexcept : state_(other.state_.on) {}

  bool await_ready() { return async_channel_ready(state_, &value_, nullptr); }
  bool await_suspend(std::coroutine_handle<> who) noexcept {
    return async_channel_suspend(state_, who);
  }
  bool await_resume() {
    async_channel_resume(state_);
    return value_.has_value();
  }

 private:
  std::optional<no_value> value_;
  async_channel_state state_;  // goes first
};

}  // namespace weft::detail
