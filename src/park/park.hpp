// Waiting, the same for goroutines and plain threads.
//
//   wait_scope scope("chan receive");        who waits
//   scope.check_exit();                      before any lock is taken
//   lock; look again; link a node whose owner is scope.who()
//   std::uint32_t won = scope.park(unlock, &object, limit);
//   unlink, under the lock, unless a partner won (see claim_word.hpp)
//   scope.rethrow(won);                      exit and deadlock leave by an exception
#pragma once

#include <cstdint>

#include "sched/claim_word.hpp"
#include "sched/switching.hpp"
#include "weft/detail/clock.hpp"
#include "weft/detail/wait_node.hpp"

namespace weft::detail {

class wait_scope {
 public:
  // What lets go of the locks, in the commit.
  using unlock_function = void (*)(void*);

  explicit wait_scope(const char* what) noexcept
      : worker_(current_worker()),
        goroutine_(worker_ != nullptr ? worker_->current : nullptr),
        what_(what) {
    if (goroutine_ == nullptr) thread_.kind = waiter_kind::thread;
  }
  wait_scope(const wait_scope&) = delete;
  wait_scope& operator=(const wait_scope&) = delete;

  waiter* who() noexcept { return goroutine_ != nullptr ? &goroutine_->wait : &thread_; }
  bool is_goroutine() const noexcept { return goroutine_ != nullptr; }

  // Throws goroutine_exit if the goroutine's run has ended and it may throw.
  void check_exit() {
    if (goroutine_ != nullptr && worker_->core->is_ending()) [[unlikely]] throw_exit_if_allowed();
  }

  // For a wait with one node and no limit; before park. See claim_from.
  void partners_exclude_each_other() noexcept { alone_ = true; }

  // Waits until claimed and woken; gives the claim's value.
  WEFT_SWITCHING std::uint32_t park(unlock_function unlock, void* argument, deadline limit) noexcept {
    return goroutine_ != nullptr ? park_goroutine(unlock, argument, limit)
                                 : park_thread(unlock, argument, limit);
  }

  // Throws for claim_exit and claim_deadlock.
  static void rethrow(std::uint32_t won) {
    if (won == claim_exit || won == claim_deadlock) [[unlikely]] throw_for(won);
  }
  static bool throws(std::uint32_t won) noexcept {
    return won == claim_exit || won == claim_deadlock;
  }

 private:
  std::uint32_t park_goroutine(unlock_function, void*, deadline) noexcept;
  std::uint32_t park_thread(unlock_function, void*, deadline) noexcept;
  void throw_exit_if_allowed();
  [[noreturn]] static void throw_for(std::uint32_t won);

  worker* worker_;  // stale after park
  goroutine* goroutine_;
  waiter thread_{};
  const char* what_;
  bool alone_ = false;
};

// Whether the goroutine's waits go on although its run has ended: it unwinds, or holds a guard.
inline bool waits_on_at_exit(const worker* w, const goroutine* g) noexcept {
  tsan_blind blind;
  return g->exit_guards != 0 || w->exceptions->uncaught != 0;
}

// For dumps and for the end of the run.
inline void note_wait(const worker* w, goroutine* self, const char* what) noexcept {
  self->waits_for.store(what, std::memory_order_relaxed);
  self->waits_since.store(coarse_time(w), std::memory_order_relaxed);
  self->waits_on.store(waits_on_at_exit(w, self), std::memory_order_relaxed);
}

struct park_arguments {
  wait_scope::unlock_function unlock;
  void* argument;
  timer_node* timer;
};

// Opens the word under the last lock that it takes, arms the timer, lets go of the object: see
// the invariants in sched/switching.hpp. Whoever claims the word from then on makes the goroutine
// run, which takes each of these locks before it leaves the frames that are used here.
inline void commit_park(worker* now_on, goroutine* from, void* a) noexcept {
  const park_arguments arguments = *static_cast<park_arguments*>(a);
  if (arguments.timer != nullptr) {
    now_on->core->add_timer(*arguments.timer);  // opens the word
  } else {
    from->wait.word.open();
  }
  if (arguments.unlock != nullptr) arguments.unlock(arguments.argument);
}

WEFT_SWITCHING std::uint32_t wait_scope::park_goroutine(unlock_function unlock, void* argument,
                                                        deadline limit) noexcept {
  goroutine* self = goroutine_;
  timer_node timer;
  park_arguments arguments{unlock, argument, nullptr};
  if (!limit.is_never()) [[unlikely]] {
    timer.at = limit.at;
    timer.sleeper = &self->wait;
    arguments.timer = &timer;
  }
  note_wait(worker_, self, what_);
  self->wait.partners_exclude_each_other = alone_;
  worker_ = switch_away(worker_, self, &commit_park, &arguments);
  order_after(&self->wait);
  const std::uint32_t won = self->wait.word.close();
  if (arguments.timer != nullptr) {
    tsan_blind blind;
    timer_wheel::remove(timer);
  }
  return won;
}

// Throws goroutine_exit in the calling goroutine.
[[noreturn]] void throw_goroutine_exit();

// Claims a goroutine's wait for a partner that runs on w. The locked instruction is left out where
// only the end of a run or a dump competes, which is as rare as a barrier of the whole process: it
// announces itself, passes that barrier and waits until no worker is in here.
WEFT_SWITCHING bool claim_from(worker* w, waiter* owner, std::uint32_t value) noexcept {
  if (!owner->partners_exclude_each_other ||
      goroutine_of(owner)->core.load(std::memory_order_relaxed) != w->core) [[unlikely]] {
    return owner->word.claim(value);
  }
  w->claiming.store(true, std::memory_order_relaxed);
  light_barrier();  // pairs with heavy_barrier in decide_all_waits()
  const bool won =
      w->core->partners_compete() ? owner->word.claim(value) : owner->word.claim_alone(value);
  w->claiming.store(false, std::memory_order_release);
  return won;
}

// A uniformly random number below n, of the worker or thread.
std::uint32_t random_below(std::uint32_t n) noexcept;

// A FIFO of nodes; the caller holds the lock of what it belongs to.
struct node_list {
  wait_node* first = nullptr;
  wait_node* last = nullptr;

  void push_back(wait_node* n) noexcept {
    plain_access(this);
    set_place(*n, wait_node::place::linked);
    n->next = nullptr;
    n->previous = last;
    (last != nullptr ? last->next : first) = n;
    last = n;
  }
  void push_front(wait_node* n) noexcept {
    plain_access(this);
    set_place(*n, wait_node::place::linked);
    n->previous = nullptr;
    n->next = first;
    (first != nullptr ? first->previous : last) = n;
    first = n;
  }
  void remove(wait_node* n) noexcept {
    plain_access(this);
    set_place(*n, wait_node::place::outside);
    (n->previous != nullptr ? n->previous->next : first) = n->next;
    (n->next != nullptr ? n->next->previous : last) = n->previous;
  }
  bool empty() const noexcept { return first == nullptr; }
};

}  // namespace weft::detail
