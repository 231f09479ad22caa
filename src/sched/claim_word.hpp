// Every race for one waiting operation is one compare-and-swap on one word.
//
// The waiting side opens the word in its commit, when its context is saved and every queue it
// stands in is still locked. Partners, timers and the end of a run claim it; one wins and, having
// done its part, wakes the waiter. The loser leaves everything as it is: the waiter, once awake,
// takes back what is still linked, under the same locks, so nobody holds a waiter that has gone.
//
// Once claimed a word is never opened again by the claimer, since others have failed meanwhile: if
// the claimer's part fails (T's move threw), it wakes the waiter with `retry`.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/spin_lock.hpp"

namespace weft::detail {

enum claim_value : std::uint32_t {
  claim_none = 0,    // not waiting
  claim_open = 1,    // waiting, may be claimed
  claim_held = 2,    // for a moment: a channel's destructor detaches the waiter's node, or a dump
                     // looks at the stack; who wants to claim it waits until that is over
  claim_timeout = 3,
  claim_exit = 4,      // the run ends
  claim_retry = 5,     // the partner's part failed: look again
  claim_cancelled = 6,
  claim_deadlock = 7,
  claim_case = 8,      // + the index of the node
};

class claim_word {
 public:
  void open() noexcept { word_.store(claim_open, std::memory_order_release); }  // pairs with claim

  // Acquire: the winner sees what the waiter wrote before open. Release: the waiter sees which
  // winner it was and what that wrote before.
  bool claim(std::uint32_t value) noexcept {
    std::uint32_t expected = claim_open;
    while (!word_.compare_exchange_strong(expected, value, std::memory_order_acq_rel,
                                          std::memory_order_acquire)) {
      if (expected != claim_held) return false;
      backoff b;
      while (word_.load(std::memory_order_relaxed) == claim_held) b.wait();
      expected = claim_open;
    }
    return true;
  }

  // For the destructor of a channel's last handle, and dumps: keeps others from claiming until unhold.
  bool hold() noexcept { return claim(claim_held); }
  void unhold() noexcept { word_.store(claim_open, std::memory_order_release); }

  // By the winner, before it wakes the waiter: its part failed.
  void change_to_retry() noexcept { word_.store(claim_retry, std::memory_order_release); }

  // Where nobody else can claim: see claim_from.
  bool claim_alone(std::uint32_t value) noexcept {
    if (word_.load(std::memory_order_acquire) != claim_open) return false;
    word_.store(value, std::memory_order_release);
    return true;
  }

  std::uint32_t value() const noexcept { return word_.load(std::memory_order_acquire); }
  // By the owner, awake: gives the outcome.
  std::uint32_t close() noexcept {
    const std::uint32_t v = word_.load(std::memory_order_acquire);
    word_.store(claim_none, std::memory_order_relaxed);
    return v;
  }

 private:
  atomic<std::uint32_t> word_{claim_none};
};

enum class waiter_kind : std::uint8_t { goroutine, thread, coroutine };

// Who waits. A goroutine's lies in its control block, a thread's in the frame of its wait, a
// coroutine's in its awaiter (suspension.hpp).
struct waiter {
  claim_word word;
  atomic<std::uint32_t> ready{0};  // a thread's futex: 1, it may go on
  waiter_kind kind = waiter_kind::goroutine;
  // One node, no timer: only partners, who hold the lock of its queue, and the end of the run can
  // claim it.
  bool partners_exclude_each_other = false;
  waiter* next = nullptr;  // in a list of claimed ones that will be woken
};

// Lets a claimed waiter go on: at once, on whatever worker or thread. Touches the waiter last.
void wake(waiter*) noexcept;

// Claimed waiters, woken after the locks are dropped, in the order in which they were added.
class wake_list {
 public:
  void add(waiter* w) noexcept {
    w->next = nullptr;
    if (last_ == nullptr) {
      first_ = w;
    } else {
      last_->next = w;
    }
    last_ = w;
  }
  bool empty() const noexcept { return first_ == nullptr; }
  void wake_all() noexcept {
    for (waiter* w = first_; w != nullptr;) {
      waiter* next = w->next;  // read first: the woken one may be gone at once
      wake(w);
      w = next;
    }
    first_ = last_ = nullptr;
  }

 private:
  waiter* first_ = nullptr;
  waiter* last_ = nullptr;
};

}  // namespace weft::detail
