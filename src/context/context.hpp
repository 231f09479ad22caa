// A context's state, and what the layers above hook into it.
//
// A context that can be cancelled stands in the list of the nearest such one above it, its canceler,
// until it is done. Whoever holds its cancel_function keeps it alive until then, so what stands in a
// list is alive. References go upwards only.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <stop_token>

#include "base/spin_lock.hpp"
#include "park/park.hpp"
#include "time/timer.hpp"
#include "weft/context.hpp"

namespace weft::detail {

struct cancelable_state;

struct context_state {
  context_state(context_state* owned_parent, cancelable_state* done_with,
                std::unique_ptr<context_value> v = nullptr) noexcept
      : parent(owned_parent), canceler(done_with), value(std::move(v)) {}
  virtual ~context_state() = default;

  std::atomic<std::uint32_t> references{1};
  context_state* const parent;       // a reference; null: background()
  cancelable_state* const canceler;  // at or above, kept by parent; null: never done
  const std::unique_ptr<context_value> value;
};

struct cancelable_state final : context_state {
  explicit cancelable_state(context_state* owned_parent) noexcept
      : context_state(owned_parent, this),
        above(owned_parent != nullptr ? owned_parent->canceler : nullptr) {}
  ~cancelable_state() override;

  context_error error() const noexcept { return err.load(std::memory_order_acquire); }

  cancelable_state* const above;  // in whose list this one stands
  deadline limit = deadline::never();
  timer_state* timer = nullptr;  // a reference

  // The list of `above`, under its lock.
  cancelable_state* next = nullptr;
  cancelable_state* previous = nullptr;
  bool linked = false;

  spin_lock lock;
  // Set once, under the lock. Release: the cause; pairs with error().
  std::atomic<context_error> err{context_error::none};
  std::atomic<bool> settled{false};  // the channel is closed, too
  std::exception_ptr cause;          // null: that of the error; not changed once err is set
  chan<void> done{nullptr};          // not changed once there
  std::stop_source stop{std::nostopstate};  // likewise
  cancelable_state* children = nullptr;
  function_hook* first_function = nullptr;
  function_hook* last_function = nullptr;
  node_list waits;  // claimed with claim_case + index when it is done

  cancelable_state* next_in_hand = nullptr;  // in a list of who ended it
};

struct context_access {
  static context_state* state(const context& c) noexcept { return c.state_; }
  static context make(context_state* owned) noexcept { return context(owned); }
  static cancel_function make_cancel(context_state* owned) noexcept {
    return cancel_function(owned);
  }
  static stop_function make_stop(function_hook* owned) noexcept { return stop_function(owned); }
  static cancelable_state* canceler(const context& c) noexcept {
    return c.state_ != nullptr ? c.state_->canceler : nullptr;
  }
};

// ---- A wait that ends with a context -------------------------------------------------------
// With the wait's other locks held: lock the context; if it is not done, link a node; park; and let
// this lock go in the commit, before the others. Afterwards unlink, under the lock.

inline bool lock_unless_done(cancelable_state& c) noexcept {
  c.lock.lock();
  if (c.err.load(std::memory_order_relaxed) == context_error::none) return true;
  c.lock.unlock();
  return false;
}
inline void unlink_wait(cancelable_state& c, wait_node& n) noexcept {
  c.lock.lock();
  if (n.where == wait_node::place::linked) c.waits.remove(&n);
  c.lock.unlock();
}

}  // namespace weft::detail
