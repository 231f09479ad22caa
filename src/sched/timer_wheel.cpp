#include "sched/timer_wheel.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <mutex>

#include "base/futex.hpp"
#include "base/sanitizer.hpp"

namespace weft::detail {

void timer_wheel::link(timer_node& node) noexcept {
  const std::uint64_t tick = node.tick > now_tick_ ? node.tick : now_tick_;
  const std::uint64_t differs = (tick ^ now_tick_) | ((1u << slot_bits) - 1);
  const int level = (63 - std::countl_zero(differs)) / slot_bits;
  const auto slot = (tick >> (level * slot_bits)) & ((1u << slot_bits) - 1);
  node.level = static_cast<std::uint8_t>(level);
  node.slot = static_cast<std::uint8_t>(slot);
  timer_node*& head = slots_[level][slot];
  node.previous = nullptr;
  node.next = head;
  if (head != nullptr) head->previous = &node;
  head = &node;
  occupied_[level] |= std::uint64_t{1} << slot;
}

void timer_wheel::unlink(timer_node& node) noexcept {
  timer_node*& head = slots_[node.level][node.slot];
  (node.previous != nullptr ? node.previous->next : head) = node.next;
  if (node.next != nullptr) node.next->previous = node.previous;
  if (head == nullptr) occupied_[node.level] &= ~(std::uint64_t{1} << node.slot);
}

// Every node's slot is not before the wheel's own position in its level, and the levels above
// start later than all below, so the first bit of the lowest level in use is where the first deadline is.
std::int64_t timer_wheel::first_slot_begins() const noexcept {
  for (int level = 0; level < levels; ++level) {
    if (occupied_[level] == 0) continue;
    const int shift = level * slot_bits;
    const auto slot = static_cast<std::uint64_t>(std::countr_zero(occupied_[level]));
    const std::uint64_t above = now_tick_ >> shift >> slot_bits << slot_bits;
    const std::uint64_t tick = (above | slot) << shift;
    if (tick > (std::uint64_t{INT64_MAX} >> tick_shift)) return never;
    return static_cast<std::int64_t>(tick << tick_shift);
  }
  return never;
}

// Of its nodes, if they are few: or an idle process would come awake at the beginning of each slot above
// the lowest level, only to move a node down.
std::int64_t timer_wheel::first_deadline() const noexcept {
  int level = 0;
  while (level < levels && occupied_[level] == 0) ++level;
  if (level == 0 || level == levels) return first_slot_begins();
  std::uint64_t first = UINT64_MAX;
  const timer_node* node = slots_[level][std::countr_zero(occupied_[level])];
  for (int i = 0; node != nullptr; node = node->next, ++i) {
    if (i == nodes_to_look_at) return first_slot_begins();
    first = std::min(first, node->tick);
  }
  if (first > (std::uint64_t{INT64_MAX} >> tick_shift)) return never;
  return static_cast<std::int64_t>(first << tick_shift);
}

bool timer_wheel::add(timer_node& node, std::int64_t now) noexcept {
  const auto at = static_cast<std::uint64_t>(node.at < 0 ? 0 : node.at);
  node.tick = (at + (std::uint64_t{1} << tick_shift) - 1) >> tick_shift;
  std::lock_guard guard(lock_);
  if (size_.load(std::memory_order_relaxed) == 0) {
    // An empty wheel may jump: far behind, everything would stand in a high level.
    const auto now_tick = static_cast<std::uint64_t>(now) >> tick_shift;
    if (now_tick > now_tick_) now_tick_ = now_tick;
  }
  // In this order: who claims the word at once, for the end of the run, comes to remove() and must
  // find the wheel, whose lock it then waits for.
  node.home.store(this, std::memory_order_release);
  if (node.sleeper != nullptr) node.sleeper->word.open();
  link(node);
  size_.store(size_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  const std::int64_t due = static_cast<std::int64_t>(node.tick << tick_shift);
  if (due >= next_due_.load(std::memory_order_relaxed)) return false;
  next_due_.store(due, std::memory_order_release);
  return true;
}

bool timer_wheel::add(timer_node& node) noexcept { return add(node, steady_now()); }

bool timer_wheel::remove(timer_node& node) noexcept {
  timer_wheel* home = node.home.load(std::memory_order_acquire);  // pairs with expire()
  if (home == nullptr) return false;
  std::lock_guard guard(home->lock_);
  if (node.home.load(std::memory_order_relaxed) == nullptr) return false;
  home->unlink(node);
  node.home.store(nullptr, std::memory_order_relaxed);
  home->size_.store(home->size_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
  return true;
}

void timer_wheel::expire(std::int64_t now) noexcept {
  lock_.lock();
  expire_locked(now);
}

void timer_wheel::try_expire(std::int64_t now) noexcept {
  if (lock_.try_lock()) expire_locked(now);
}

void timer_wheel::expire_locked(std::int64_t now) noexcept {
  wake_list wakes;
  timer_node* to_fire = nullptr;
  timer_node** last_to_fire = &to_fire;
  std::size_t expired = 0;
  {
    std::lock_guard guard(lock_, std::adopt_lock);
    const auto target = static_cast<std::uint64_t>(now) >> tick_shift;
    for (;;) {
      const std::int64_t due = first_slot_begins();
      if (due == never || due > now) break;
      const auto tick = static_cast<std::uint64_t>(due) >> tick_shift;
      int level = 0;
      while (occupied_[level] == 0) ++level;
      const int slot = std::countr_zero(occupied_[level]);
      if (tick > now_tick_) now_tick_ = tick;
      timer_node* node = slots_[level][slot];
      slots_[level][slot] = nullptr;
      occupied_[level] &= ~(std::uint64_t{1} << slot);
      while (node != nullptr) {
        timer_node* next = node->next;
        if (level > 0) {
          link(*node);  // further down
        } else {
          ++expired;
          if (node->sleeper != nullptr) {
            // A loser's owner is awake and comes to remove() the node: it needs this lock.
            waiter* sleeper = node->sleeper;
            const bool won = sleeper->word.claim(claim_timeout);
            node->home.store(nullptr, std::memory_order_release);  // last touch of a lost one
            if (won) wakes.add(sleeper);
          } else {
            node->home.store(nullptr, std::memory_order_relaxed);
            node->next_to_fire = nullptr;
            *last_to_fire = node;
            last_to_fire = &node->next_to_fire;
          }
        }
        node = next;
      }
    }
    if (target > now_tick_) now_tick_ = target;
    next_due_.store(first_deadline(), std::memory_order_release);
  }
  wakes.wake_all();
  while (to_fire != nullptr) {
    timer_node* next = to_fire->next_to_fire;
    to_fire->fire(to_fire);
    to_fire = next;
  }
  if (expired == 0) return;
  // Only now: who finds the wheel empty may conclude that nothing of it is under way.
  std::lock_guard guard(lock_);
  size_.store(size_.load(std::memory_order_relaxed) - expired, std::memory_order_relaxed);
}

timer_node* timer_wheel::drain() noexcept {
  std::lock_guard guard(lock_);
  timer_node* first = nullptr;
  for (int level = 0; level < levels; ++level) {
    while (occupied_[level] != 0) {
      timer_node* node = slots_[level][std::countr_zero(occupied_[level])];
      unlink(*node);
      node->home.store(nullptr, std::memory_order_release);
      if (node->fire == nullptr) continue;  // a goroutine's that was left behind
      node->next_to_fire = first;
      first = node;
    }
  }
  size_.store(0, std::memory_order_relaxed);
  next_due_.store(never, std::memory_order_relaxed);
  return first;
}

}  // namespace weft::detail
