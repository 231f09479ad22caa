// The link of one waiting operation in one wait queue. It lives in the frame of that operation,
// which does not return before every queue has let go of it.
#pragma once

#include <atomic>
#include <cstdint>

namespace weft::detail {

struct waiter;
struct sender_type;

struct wait_node {
  enum class place : std::uint8_t {
    outside,   // in no queue
    linked,    // in a queue, which its lock guards
    popped,    // taken out by a partner, counted as stale in the queue until its owner says goodbye
    detached,  // its channel is gone: the owner must not touch it
  };

  wait_node* next = nullptr;
  wait_node* previous = nullptr;
  waiter* owner = nullptr;
  std::uint32_t index = 0;      // the claim value of this node, see claim_word
  place where = place::outside;  // written under the queue's lock; see get_place
  bool shares_owner = false;    // one of several nodes of a select
  bool closed = false;          // claimed by close(), not by a partner
  const sender_type* sender = nullptr;  // a send: how its value is copied or moved
  void* element = nullptr;      // a send: its value; a receive: its std::optional
};

// A select reads the places of its nodes before it has every lock; `detached` is final, and with any
// other value it takes the lock.
inline wait_node::place get_place(wait_node& n) noexcept {
  return std::atomic_ref(n.where).load(std::memory_order_relaxed);
}
inline void set_place(wait_node& n, wait_node::place p) noexcept {
  std::atomic_ref(n.where).store(p, std::memory_order_relaxed);
}

}  // namespace weft::detail
