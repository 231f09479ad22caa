// Sending and receiving in a coroutine: as wait_on in channel.cpp, in two parts. See
// park/coroutine.hpp for the order of things, channel.hpp for the channel's invariants.
// Proved by: tests/conformance/coro_chan.cpp, tests/stress/coro_stress.cpp.
#include "weft/detail/async_channel.hpp"

#include <utility>

#include "chan/channel.hpp"
#include "park/coroutine.hpp"
#include "weft/runtime.hpp"

namespace weft::detail {

namespace {

direction direction_of(const async_channel_state& state) noexcept {
  return state.node.sender != nullptr ? direction::send : direction::receive;
}

// True: there is an outcome.
bool note(async_channel_state& state, attempt a) noexcept {
  if (a == attempt::closed) state.outcome = async_outcome::closed;
  return a != attempt::would_wait;
}

// Looks again, under the locks, and registers. True: suspended, the state may be gone.
bool start(async_channel_state& state, coroutine_wait& wait) {
  if (wait.must_exit()) {
    state.outcome = async_outcome::exit;
    return false;
  }
  channel* c = state.on;
  if (c == nullptr) {
    wait.commit(nullptr, nullptr, nullptr);
    return true;
  }
  const direction d = direction_of(state);
  {
    locked_channel locked(*c);
    if (note(state, d == direction::send
                        ? c->send_locked(state.node.element, *state.node.sender, locked.wakes)
                        : c->receive_locked(state.node.element, locked.wakes))) {
      return false;
    }
    state.node.owner = wait.who();
    c->link_locked(state.node, d);
    locked.leave_locked();
  }
  wait.commit(&unlock_channel, c, nullptr);
  return true;
}

// Takes the node back, unless the channel has let go of it.
void unlink(async_channel_state& state) noexcept {
  if (state.on == nullptr || get_place(state.node) == wait_node::place::detached) return;
  state.on->lock();
  state.on->unlink_locked(state.node, direction_of(state));
  state.on->unlock_and_leave();
}

bool finish(suspension& s, std::uint32_t won) noexcept {
  auto& state = state_of<async_channel_state>(s);
  if (won == claim_retry) {
    return !start_async(state, [&] {
      if (!state.on->come_back(state.node, direction_of(state))) {
        state.on = nullptr;  // gone: as the nil channel
      } else if (std::exchange(state.holds, true)) {
        state.on->release();
      }
      coroutine_wait again(state);
      return start(state, again);
    });
  }
  if (won == claim_case) {
    // The channel may be gone by now.
    if (state.on != nullptr) channel::order_after_wake(state.on);
    if (state.node.closed) state.outcome = async_outcome::closed;
  } else {
    unlink(state);
    state.outcome = async_outcome::exit;
  }
  return true;
}

void withdraw(suspension& s) noexcept { unlink(state_of<async_channel_state>(s)); }

constexpr suspension_type chan_send{"chan send", &finish, &withdraw};
constexpr suspension_type chan_receive{"chan receive", &finish, &withdraw};

}  // namespace

bool async_channel_ready(async_channel_state& state, void* element, const sender_type* how) {
  state.node.element = element;
  state.node.sender = how;
  channel* c = state.on;
  // A look without a lock first: who is to wait takes the locks once.
  if (c == nullptr || !c->may_be_ready(direction_of(state))) return false;
  return note(state, how != nullptr ? c->try_send(element, *how) : c->try_receive(element));
}

bool async_channel_suspend(async_channel_state& state, std::coroutine_handle<> who) noexcept {
  return start_async(state, [&] {
    coroutine_wait wait(state, who, direction_of(state) == direction::send ? chan_send : chan_receive);
    return start(state, wait);
  });
}

void async_channel_resume(async_channel_state& state) {
  rethrow_async(state);
  if (state.outcome == async_outcome::closed && direction_of(state) == direction::send) {
    throw closed_channel("weft::chan::async_send: the channel is closed");
  }
}

}  // namespace weft::detail
