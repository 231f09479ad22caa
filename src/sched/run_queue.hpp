// A worker's run queue: unbounded intrusive lists under one biased lock.
//
// The owner pays no fence and no locked instruction: it stores `busy`, passes a light barrier and
// looks whether a thief has asked. A thief asks by putting its request into `thief_`; the owner,
// at its next operation, cuts off half and hands it over. Only an owner that does not answer (its
// goroutine computes or blocks) is forced: the thief says so, passes a heavy barrier, waits until
// the owner is not busy, and is alone with the lists until it clears the cell.
//
// exclusive: the lists are touched by the owner between begin() and end() while thief_ is not
//   forced, or by the one thief that forced it after it has seen !busy. The barriers make one of
//   the two see the other's store.
// bell: an owner that is not expected to do anything soon can be heard: the first operation on its
//   queue takes the bell out of the cell and rings it. Costs the owner nothing but that once.
// one_thief: the cell holds one request at a time, by compare-and-swap from null.
// The counts may be read by anyone, as hints.
// Proved by: tests/model/run_queue_model.cpp; tests/unit/run_queue_test.cpp, run_queue_race_test.cpp.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/barrier.hpp"
#include "sched/goroutine.hpp"

namespace weft::detail {

// What a thief got.
struct loot {
  goroutine_list woken;
  seed_list fresh;
  bool empty() const noexcept { return woken.count == 0 && fresh.count == 0; }
};

class run_queue {
 public:
  // For the owner, the thread of the worker.
  void push_woken(goroutine* g) noexcept;  // at the end
  // The goroutine just readied runs next; the one that stood there moves to the end.
  // Both say whether somebody else could now take something.
  bool push_next(goroutine* g) noexcept;
  bool push_fresh(seed* s) noexcept;
  // Counts it, too, and is_busy() from before that until it can be seen in fresh_count().
  bool push_new(seed* s, std::atomic<std::uint64_t>& spawned) noexcept;
  void push_behind(seed* s) noexcept;  // the seeds that are here run first
  void push_loot(loot&) noexcept;
  runnable pick() noexcept { return pick_leaving<0>(); }
  // The same by one that yields and is pushed after the switch: is_busy() says until then that there
  // are two in hand, not just one.
  runnable pick_to_yield() noexcept { return pick_leaving<two_in_hand>(); }
  runnable pick_oldest() noexcept;  // so that nothing starves behind newer things
  loot take_all() noexcept;
  void answer_thief() noexcept {
    begin();
    end();
  }

  // For thieves. Leaves a lone goroutine or seed, and the next one, to the owner: two that talk to
  // each other stay together.
  bool steal(loot& into) noexcept;
  // For an owner that does not move: takes everything.
  bool take_by_force(loot& into) noexcept;

  // For the monitor: the next operation, of the owner or of a thief, adds one to the word and wakes
  // who waits for it. False: a thief is at it. To be followed by a heavy barrier and is_still().
  struct alignas(8) bell_word {
    atomic<std::uint32_t> rung{0};
  };
  bool hang_bell(bell_word& word) noexcept {
    std::uintptr_t cell = 0;
    const std::uintptr_t hung = reinterpret_cast<std::uintptr_t>(&word) | bell;
    return thief_.compare_exchange_strong(cell, hung, std::memory_order_acq_rel) || cell == hung;
  }
  // Empty, and the owner is not in the middle of an operation that has not seen the bell.
  bool is_still() const noexcept {
    return !is_busy() && !has_any();  // pairs with leave()
  }

  // For a dump: everything but the seeds. The first by the owner, the other as take_by_force.
  void take_own_woken(loot& into) noexcept;
  bool take_woken_by_force(loot& into) noexcept;

  bool has_spare() const noexcept {
    return woken_count_.load(std::memory_order_relaxed) > 1 ||
           fresh_count_.load(std::memory_order_relaxed) > 1;
  }
  std::uint32_t fresh_count() const noexcept {
    return fresh_count_.load(std::memory_order_relaxed);
  }
  bool is_busy() const noexcept { return busy_.load(std::memory_order_acquire) != 0; }
  bool has_any() const noexcept { return length() != 0; }
  // What others or give-aways have taken out, and what came in as loot, all told: for stats(), which
  // wants to know what is in somebody's hands. Before the counts fall, and after they have risen. No
  // part of the protocol, so the models need not see them: std::atomic.
  std::uint64_t left() const noexcept { return left_.load(std::memory_order_relaxed); }
  std::uint64_t arrived() const noexcept { return arrived_.load(std::memory_order_acquire); }
  void forget_moves() noexcept { left_ = arrived_ = 0; }  // before anybody works with it
  std::uint32_t length() const noexcept {
    return woken_count_.load(std::memory_order_relaxed) +
           fresh_count_.load(std::memory_order_relaxed) +
           has_next_.load(std::memory_order_relaxed);
  }

 private:
  struct request {
    loot taken;
    atomic<bool> answered{false};
  };
  enum class how_much { half, all, woken };
  // What busy_ says: the owner is at the lists; or just that stats() is not to trust the counts.
  static constexpr std::uint32_t at_lists = 1;
  static constexpr std::uint32_t two_in_hand = 2;
  static constexpr std::uintptr_t forced = 1;     // low bits of thief_ beside a request
  static constexpr std::uintptr_t answering = 2;
  static constexpr std::uintptr_t bell = 4;       // beside a bell_word
  static constexpr std::uint32_t most_woken = 64;
  static constexpr std::uint32_t most_fresh = 512;
  static constexpr std::uint32_t longest_streak = 64;  // of next ones in a row

  WEFT_SWITCHING void begin() noexcept {
    busy_.store(at_lists, std::memory_order_relaxed);
    light_barrier();  // pairs with heavy_barrier in force()
    if (thief_.load(std::memory_order_acquire) != 0) [[unlikely]] serve();
    plain_access(this);
  }
  void end() noexcept {
    publish_counts();
    leave();
  }
  void leave(std::uint32_t in_hand = 0) noexcept {
    busy_.store(in_hand, std::memory_order_release);  // pairs with force(): the lists are whole
  }
  // Release: who sees the new count sees also that the owner is, or was, at it: runtime_core::stats.
  void publish_counts() noexcept {
    woken_count_.store(woken_.count, std::memory_order_release);
    fresh_count_.store(fresh_.count, std::memory_order_release);
    has_next_.store(next_ != nullptr ? 1 : 0, std::memory_order_release);
  }
  template <std::uint32_t InHand>
  runnable pick_leaving() noexcept;
  void serve() noexcept;
  void cut(loot& into, how_much) noexcept;
  bool take(loot& into, how_much, std::int64_t patience) noexcept;
  void force() noexcept;
  bool ring(std::uintptr_t cell) noexcept;

  atomic<std::uint32_t> busy_{0};
  std::uint32_t streak_ = 0;
  goroutine* next_ = nullptr;
  goroutine_list woken_;
  seed_list fresh_;
  atomic<std::uint32_t> woken_count_{0};
  atomic<std::uint32_t> fresh_count_{0};
  atomic<std::uint32_t> has_next_{0};
  std::atomic<std::uint64_t> left_{0};     // written by who is alone with the lists
  std::atomic<std::uint64_t> arrived_{0};  // written by the owner
  // On a line of its own: thieves write here.
  alignas(64) atomic<std::uintptr_t> thief_{0};
};

inline void run_queue::push_woken(goroutine* g) noexcept {
  begin();
  woken_.push_back(g);
  end();
}

WEFT_SWITCHING bool run_queue::push_next(goroutine* g) noexcept {
  begin();
  goroutine* old = next_;
  next_ = g;
  if (old == nullptr) [[likely]] {
    has_next_.store(1, std::memory_order_relaxed);
    leave();
    return false;
  }
  const bool others = woken_.count + fresh_.count != 0;
  woken_.push_back(old);
  end();
  return others;
}

WEFT_SWITCHING bool run_queue::push_fresh(seed* s) noexcept {
  begin();
  const bool others = woken_.count + fresh_.count != 0;
  fresh_.push_newest(s);
  end();
  return others;
}

WEFT_SWITCHING bool run_queue::push_new(seed* s, std::atomic<std::uint64_t>& spawned) noexcept {
  begin();
  spawned.store(spawned.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  const bool others = woken_.count + fresh_.count != 0;
  fresh_.push_newest(s);
  end();
  return others;
}

template <std::uint32_t InHand>
WEFT_SWITCHING runnable run_queue::pick_leaving() noexcept {
  begin();
  runnable r;
  if (next_ != nullptr) {
    if (++streak_ <= longest_streak || (woken_.first == nullptr && fresh_.newest == nullptr)) {
      r.started = next_;
      next_ = nullptr;
      has_next_.store(0, std::memory_order_release);
      leave(InHand);
      return r;
    }
    woken_.push_back(next_);
    next_ = nullptr;
  }
  streak_ = 0;
  r.started = woken_.pop_front();
  if (r.started == nullptr) r.fresh = fresh_.pop_newest();
  publish_counts();
  leave(r ? InHand : 0);
  return r;
}

}  // namespace weft::detail
