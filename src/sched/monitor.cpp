// The monitor: finds workers that do not get on, and sees to it that others do their work.
//
// It looks every 5 ms. A worker that has made no pick for 10 ms is stuck; one whose thread sleeps in
// the kernel while work waits is so at once. After it has found one it looks every millisecond for a
// while: the next call that blocks may stand behind the first. If all that run are stuck again, that
// many stand-ins come at once (extra_), so a hundred such calls take a few looks and not a hundred.
// One that computes, or waits for a CPU, gets a single stand-in: more threads would not help it.
//
// quiet: nothing waits, and each worker rests or is kept. Then the monitor sleeps, after a while. Who
//   makes work or goes on must wake it, at no cost where the work is made:
//   - a worker that goes on after a rest, or is kept no longer, looks at monitor_sleeps_, after a
//     fence; so does who puts something into the global queue while no worker is idle: from outside,
//     or a worker that rests and whose timer was due;
//   - a kept worker's queue has a bell, which its next operation rings (run_queue::hang_bell);
//   - the timers of kept workers bound the sleep, and a kept worker that adds one looks, too;
//   - so does a thread that is no worker when it waits for a descriptor: somebody has to poll.
// Proved by: tests/model/monitor_model.cpp, tests/unit/blocked_thread_test.cpp, monitor_test.cpp.
#include <algorithm>
#include <cstdio>

#include "base/thread_state.hpp"
#include "sched/core.hpp"

namespace weft::detail {

namespace {

constexpr std::int64_t millisecond = 1'000'000;
constexpr std::int64_t period = 5 * millisecond;
constexpr std::int64_t hurried_period = 1 * millisecond;
constexpr unsigned hurried_looks = 20;
constexpr std::int64_t stuck_after = 10 * millisecond;
constexpr unsigned quiet_looks = 10;  // before the monitor sleeps
constexpr unsigned most_extra = 64;

}  // namespace

// What it finds stuck it marks; the worker takes the mark away when it goes on.
bool runtime_core::mark_stuck(worker* w) noexcept {
  if (is_kept(w)) return false;
  stuck_.fetch_add(1);
  w->stuck.store(true, std::memory_order_seq_cst);
  // It may have gone to sleep meanwhile: that clears the mark, after the state.
  if (w->state.load(std::memory_order_seq_cst) != worker_state::running) {
    if (w->stuck.exchange(false)) stuck_.fetch_sub(1);
    return false;
  }
  w->until_look.store(1, std::memory_order_relaxed);  // so that it finds the mark at its next pick
  return true;
}

runtime_core::outlook runtime_core::monitor_once(std::int64_t now) noexcept {
  // What waits that nobody gets on with.
  const bool unpolled =
      poller_->waiting() != 0 && watcher_.load(std::memory_order_relaxed) == nullptr;
  const bool starved =
      starved_count_.load(std::memory_order_relaxed) != 0 && may_ask_for_stacks(now);
  std::size_t waiting =
      global_count_.load(std::memory_order_relaxed) + (unpolled ? 1 : 0) + (starved ? 1 : 0);
  bool all_kept = true;
  unsigned moving = 0;
  const unsigned n = made_.load(std::memory_order_acquire);
  for (unsigned i = 0; i < n; ++i) {
    worker* w = at(i);
    if (w->state.load(std::memory_order_acquire) != worker_state::running) continue;
    const std::uint64_t moves = w->moves.load(std::memory_order_relaxed);
    if (moves != w->seen_moves) {
      w->seen_moves = moves;
      w->seen_at = now;
      ++moving;
    } else {
      waiting += w->queue.length() + (w->wheel.next_due() <= now ? 1 : 0);
    }
  }
  bool asleep = false;  // one that was not known to be
  for (unsigned i = 0; i < n; ++i) {
    worker* w = at(i);
    if (w->state.load(std::memory_order_relaxed) != worker_state::running) continue;
    // Workers that get on, but whose picks take long, are to look around at their next one.
    if (unpolled || global_count_.load(std::memory_order_relaxed) != 0 ||
        w->wheel.next_due() <= now) {
      w->until_look.store(1, std::memory_order_relaxed);
    }
    if (w->seen_at == now || is_kept(w)) {
      all_kept &= is_kept(w);
      continue;
    }
    // Asked for again after that: it may have gone to sleep as a worker does.
    const bool blocked = waiting != 0 && is_asleep(w->thread_id.load(std::memory_order_relaxed)) &&
                         w->moves.load(std::memory_order_relaxed) == w->seen_moves &&
                         w->state.load(std::memory_order_relaxed) == worker_state::running;
    if ((blocked || now - w->seen_at >= stuck_after) && mark_stuck(w)) {
      asleep |= blocked;
    } else {
      all_kept = false;
    }
  }
  const bool stalled = waiting != 0 && kept() != 0;
  if (stalled && asleep) {
    // The first stand-ins are stuck, too: as many again.
    if (hurry_ != 0 && moving == 0) extra_.store(std::min(kept(), most_extra));
    hurry_ = hurried_looks;
  } else if (hurry_ != 0 && --hurry_ == 0) {
    extra_.store(0);
  }
  if (is_surplus()) retire_idle();
  if (stalled) compensate(waiting);
  const bool quiet = waiting == 0 && all_kept && moving == 0 && hurry_ == 0;
  return quiet ? outlook::quiet : outlook::busy;
}

void runtime_core::compensate(std::size_t waiting) noexcept {
  if (idle_count_.load(std::memory_order_relaxed) != 0) return wake_searcher();
  for (; waiting != 0 && too_few(); --waiting) {
    const stand_in result = add_stand_in();
    if (result == stand_in::no_room && !told_bound_.exchange(true)) {
      std::fprintf(stderr,
                   "weft: all %u threads are kept by goroutines that block or compute; others "
                   "wait. Raise options.max_threads, or let blocking calls run elsewhere.\n",
                   most_workers_);
    }
    if (result != stand_in::added) return;
  }
}

// Nothing waits and nobody moves, and none can without ringing. Says until when, by the timers of
// those that are kept; 0: not so.
std::int64_t runtime_core::quiet_until() noexcept {
  std::int64_t until = INT64_MAX;
  if (global_count_.load(std::memory_order_seq_cst) != 0) return 0;
  for (unsigned i = 0; i < made_.load(std::memory_order_acquire); ++i) {
    worker* w = at(i);
    if (w->state.load(std::memory_order_seq_cst) != worker_state::running) continue;
    if (!is_kept(w) || !w->queue.hang_bell(monitor_word_)) return 0;
  }
  heavy_barrier();  // pairs with light_barrier in the queues' begin()
  for (unsigned i = 0; i < made_.load(std::memory_order_acquire); ++i) {
    worker* w = at(i);
    if (w->state.load(std::memory_order_seq_cst) != worker_state::running) continue;
    if (!is_kept(w) || !w->queue.is_still()) return 0;
    until = std::min(until, w->wheel.next_due());
  }
  if (poller_->waiting() != 0 && watcher_.load(std::memory_order_seq_cst) == nullptr) return 0;
  if (starved_count_.load(std::memory_order_seq_cst) != 0) {
    until = std::min(until, ask_for_stacks_at_.load(std::memory_order_relaxed));
  }
  return until;
}

void runtime_core::wake_monitor() noexcept {
  monitor_word_.rung.fetch_add(1, std::memory_order_seq_cst);
  futex_wake(&monitor_word_.rung);
}

void runtime_core::monitor_until(const std::atomic<bool>& done) noexcept {
  tsan_blind blind;
  unsigned quiet = 0;
  hurry_ = 0;
  for (;;) {
    const std::uint32_t word = monitor_word_.rung.load(std::memory_order_seq_cst);
    if (done.load(std::memory_order_acquire)) return;
    if (quiet >= quiet_looks) {
      monitor_sleeps_.store(true, std::memory_order_seq_cst);
      full_fence();  // who goes on and misses the flag is seen to do so
      if (const std::int64_t until = quiet_until()) futex_wait(monitor_word_.rung, word, until);
      monitor_sleeps_.store(false, std::memory_order_relaxed);
      quiet = 0;
    } else {
      futex_wait(monitor_word_.rung, word, steady_now() + (hurry_ != 0 ? hurried_period : period));
    }
    if (done.load(std::memory_order_acquire)) return;
    quiet = monitor_once(steady_now()) == outlook::quiet ? quiet + 1 : 0;
  }
}

void runtime_core::start_monitor() {
  monitor_ends_.store(false, std::memory_order_relaxed);
  monitor_ = std::thread([this] {
    count_own_thread();
    monitor_until(monitor_ends_);
    uncount_own_thread();
  });
}

void runtime_core::stop_monitor() noexcept {
  monitor_ends_.store(true, std::memory_order_seq_cst);
  wake_monitor();
  monitor_.join();
}

}  // namespace weft::detail
