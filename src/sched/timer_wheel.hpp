// A hierarchical timing wheel (Varghese and Lauck 1987), one a worker: setting and stopping are
// O(1) under the wheel's own lock, since most timers never fire.
//
// A tick is 2^12 ns (4 us); deadlines are rounded up to it, so nothing fires early. Level l has 64
// slots of 64^l ticks; a node stands in the level of the highest group of six bits in which its
// tick differs from the wheel's, and moves down when the wheel gets there.
//
// Nodes live in their owners' memory. When remove() has returned, or expire() has called back, the
// wheel does not touch the node again. A sleeper is claimed under the lock and woken after it; a
// function is called after it, with the node out of the wheel.
//
// Who expires a wheel: its worker; where that does not move, any other.
// Proved by: tests/unit/timer_wheel_test.cpp.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/spin_lock.hpp"
#include "sched/claim_word.hpp"

namespace weft::detail {

class timer_wheel;

struct timer_node {
  timer_node* next = nullptr;
  timer_node* previous = nullptr;
  std::int64_t at = 0;  // steady nanoseconds
  std::uint64_t tick = 0;
  std::atomic<timer_wheel*> home{nullptr};  // the wheel that it is linked in; changes under its lock
  std::uint8_t level = 0;
  std::uint8_t slot = 0;
  // Exactly one is set. A waiter is claimed with claim_timeout under the lock and woken after it.
  waiter* sleeper = nullptr;
  // Called after the lock is dropped, with the node out of the wheel.
  void (*fire)(timer_node*) = nullptr;
  timer_node* next_to_fire = nullptr;
};

class timer_wheel {
 public:
  static constexpr std::int64_t never = INT64_MAX;

  // True: it is now the first one due. For a sleeper, opens its claim word first (see
  // src/park/park.hpp: the word opens under the last lock that the commit takes).
  // `now` may be early: an empty wheel goes on from there, without reading the clock.
  bool add(timer_node&, std::int64_t now) noexcept;
  bool add(timer_node&) noexcept;
  // True: it was still linked and will not fire. Also waits for a running expire to be done with
  // a sleeper's node.
  static bool remove(timer_node&) noexcept;
  // Fires what is due.
  void expire(std::int64_t now) noexcept;
  // The same for another than the owner, unless somebody is at the wheel. That may be the owner, to move a
  // million nodes down: it looks stuck then, and all who came to help it would wait for its lock.
  void try_expire(std::int64_t now) noexcept;
  // Not later than the first deadline, in steady nanoseconds; may be earlier.
  std::int64_t next_due() const noexcept { return next_due_.load(std::memory_order_relaxed); }
  std::size_t size() const noexcept { return size_.load(std::memory_order_relaxed); }
  // Takes everything out without firing, for a wheel whose runtime ends; gives the nodes that have
  // a function, linked by next_to_fire.
  timer_node* drain() noexcept;

 private:
  static constexpr int tick_shift = 12;
  static constexpr int slot_bits = 6;
  static constexpr int nodes_to_look_at = 16;
  static constexpr int levels = 9;  // 54 bits of ticks; 63 bits of nanoseconds have 51

  void expire_locked(std::int64_t now) noexcept;  // unlocks
  void link(timer_node&) noexcept;
  void unlink(timer_node&) noexcept;
  std::int64_t first_slot_begins() const noexcept;
  std::int64_t first_deadline() const noexcept;

  spin_lock lock_;
  std::uint64_t now_tick_ = 0;
  std::uint64_t occupied_[levels] = {};
  timer_node* slots_[levels][1 << slot_bits] = {};
  std::atomic<std::int64_t> next_due_{never};
  std::atomic<std::size_t> size_{0};
};

}  // namespace weft::detail
