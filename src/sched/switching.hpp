// Switching from goroutine to goroutine.
//
// Parking happens in two halves, on two stacks. The goroutine, holding the locks of what it waits
// for, links its nodes and switches away; whoever runs next on this worker first performs the
// commit, which opens the claim word and drops those locks.
//
// no_early_resume: the word opens in the commit; by then every register is saved.
// no_touch_after_commit: from then on the goroutine may run, end and give its stack away. The
//   commit reads what it needs first and unlocks last.
// no_slow_commit: the locks are held until the commit, so memory is not touched for the first time
//   before it. A goroutine whose stack has no memory yet is started by home (bind_if_quick): with a
//   thousand that park on one channel the other workers waited 2 us for each.
// no_stale_worker: the resumed side gets its worker from the message of the switch, not from
//   thread-local storage.
// Under TSan the fibre is switched after the commit, so that what the commit releases is what the
// goroutine that parked has done.
// Proved by: tests/stress, tests/unit/switch_test.cpp; the disassembly check.
//
// All of it is inlined into the function that waits: the return addresses between a user's call and
// the switch are mispredicted, each for some nanoseconds, so there are as few as possible.
#pragma once

#include <cassert>

#include "sched/core.hpp"

#if WEFT_TSAN
#define WEFT_JUMPING [[gnu::noinline]] WEFT_NO_TSAN inline
#else
#define WEFT_JUMPING WEFT_SWITCHING
#endif

namespace weft::detail {

// Lies on the stack of the side that switches away; read before the commit.
struct switch_message {
  worker* on;
  goroutine* from;  // null: the worker's home stack
  goroutine* to;    // null: the worker's home stack
  commit_function commit;
  void* argument;
};

WEFT_SWITCHING void announce_switch([[maybe_unused]] worker* w, [[maybe_unused]] goroutine* from,
                            [[maybe_unused]] goroutine* to,
                            [[maybe_unused]] bool for_good) noexcept {
#if WEFT_ASAN
  void** save = for_good ? nullptr : from != nullptr ? &from->asan_fake_stack : &w->asan_fake_stack;
  if (to != nullptr) {
    __sanitizer_start_switch_fiber(save, to->stack_low, to->stack_bytes);
  } else {
    __sanitizer_start_switch_fiber(save, w->asan_bottom, w->asan_size);
  }
#endif
}

// The first thing on the other side.
WEFT_SWITCHING worker* arrive(switch_result t) noexcept {
  const auto* message = static_cast<const switch_message*>(t.data);
  worker* w = message->on;
  goroutine* from = message->from;
  [[maybe_unused]] goroutine* to = message->to;
  const commit_function commit = message->commit;
  void* argument = message->argument;
#if WEFT_ASAN
  {
    void* fake = to != nullptr ? to->asan_fake_stack : w->asan_fake_stack;
    const void* bottom = nullptr;
    std::size_t size = 0;
    __sanitizer_finish_switch_fiber(fake, &bottom, &size);
    if (from == nullptr) {
      w->asan_bottom = bottom;
      w->asan_size = size;
    }
  }
#endif
#if WEFT_FORCE_MIGRATION
  if (message->to != nullptr) message->to->ran_on = w;
#endif
  if (from != nullptr) {
    from->context = t.fctx;
  } else {
    w->home = t.fctx;
  }
#if WEFT_TSAN
  // The commit's frames lie on the new side's stack and are the old side's writes to TSan: it is
  // not to see them, but it is to see the locks that the commit lets go.
  fibre_slot* left = from != nullptr ? from->tsan_fibre : nullptr;
  if (commit != nullptr) {
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
    commit(w, from, argument);
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  }
  // By way of home, so that no two workers wait for each other's fibre.
  __tsan_switch_to_fiber(w->tsan_fibre, __tsan_switch_to_fiber_no_sync);
  if (left != nullptr) left->in_use.store(false, std::memory_order_release);
  if (to != nullptr) {
    while (to->tsan_fibre->in_use.exchange(true, std::memory_order_acquire)) sched_yield();
    __tsan_switch_to_fiber(to->tsan_fibre->fibre, __tsan_switch_to_fiber_no_sync);
    __tsan_acquire(w);
  }
#else
  if (commit != nullptr) commit(w, from, argument);
#endif
  return w;
}

// What is bound to the thread and belongs to the goroutine.
inline void save_exceptions(worker* w, goroutine* self) noexcept {
  exception_globals* globals = w->exceptions;
  if (globals->caught != nullptr || globals->uncaught != 0) [[unlikely]] {
    self->saved_exceptions = *globals;
    self->has_saved_exceptions = true;
    *globals = {};
  }
}
inline void restore_exceptions(worker* w, goroutine* self) noexcept {
  if (self->has_saved_exceptions) [[unlikely]] {
    *w->exceptions = self->saved_exceptions;
    self->has_saved_exceptions = false;
  }
}

WEFT_JUMPING worker* jump(worker* w, goroutine* from, goroutine* to, commit_function commit,
                    void* argument) noexcept {
  switch_message message{w, from, to, commit, argument};
  w->current = to;
  announce_switch(w, from, to, false);
  return arrive(jump_to(to != nullptr ? to->context : w->home, &message));
}

// The caller is on a goroutine of worker w. Gives the worker that the goroutine runs on when it is
// resumed: after it, everything read from w before is stale.
WEFT_SWITCHING worker* switch_away(worker* w, goroutine* self, commit_function commit,
                                   void* argument) noexcept {
  goroutine* to = nullptr;
  int saved_errno = 0;
  {
    tsan_blind blind;
    saved_errno = *w->error_number;
    const runnable next = w->core->pick(w);
    to = next.fresh != nullptr ? w->core->bind_if_quick(w, next.fresh) : next.started;
    save_exceptions(w, self);
  }
  assert(to != self);
  w = jump(w, self, to, commit, argument);
  tsan_blind blind;
  restore_exceptions(w, self);
  *w->error_number = saved_errno;
  return w;
}

inline void commit_yield(worker* w, goroutine* from, void*) noexcept {
  tsan_blind blind;
  // Before the push, and release: pairs with look_at() in core.cpp.
  w->yields.store(w->yields.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  w->queue.push_woken(from);
}

WEFT_SWITCHING void yield_now(worker* w, goroutine* self) noexcept {
  goroutine* to = nullptr;
  int saved_errno = 0;
  {
    tsan_blind blind;
    saved_errno = *w->error_number;
    const runnable next = w->core->pick<true>(w);
    // A look around is due, or there is nothing else to run; home finds out which.
    if (!next) [[unlikely]] {
      if (!WEFT_FORCE_MIGRATION && w->until_look.load(std::memory_order_relaxed) != 0) return;
      if (self->pins != 0) return w->core->yield_pinned(w);
    }
    to = next.fresh != nullptr ? w->core->bind(w, next.fresh) : next.started;
    save_exceptions(w, self);
  }
  w = jump(w, self, to, &commit_yield, nullptr);
  tsan_blind blind;
  restore_exceptions(w, self);
  *w->error_number = saved_errno;
}

}  // namespace weft::detail
