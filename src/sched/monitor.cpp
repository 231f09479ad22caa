// The monitor, which finds workers that do not get on, and the stand-ins that run what they leave.
#include "sched/core.hpp"

#include <algorithm>
#include <cstdio>
#include <mutex>
#include <new>

namespace weft::detail {

namespace {

constexpr std::int64_t millisecond = 1'000'000;
constexpr std::int64_t monitor_period = 10 * millisecond;
constexpr std::int64_t hurried_period = 2 * millisecond;  // while more and more get stuck
constexpr unsigned quiet_periods = 10;                   // before the monitor sleeps
constexpr std::int64_t stand_in_stays = 1'000 * millisecond;

}  // namespace

// Who is kept, or asks for more workers, says so first and looks at active_ then: it sees this one
// gone, or this one sees it.
bool runtime_core::leave_active() noexcept {
  unsigned active = active_.load(std::memory_order_relaxed);
  do {
    if (active <= nominal_.load(std::memory_order_seq_cst) + kept()) return false;
  } while (!active_.compare_exchange_weak(active, active - 1, std::memory_order_seq_cst));
  if (!too_few()) return true;
  active_.fetch_add(1, std::memory_order_seq_cst);
  return false;
}

// Somebody asked while this one was on its way to the retired ones, and found it nowhere.
bool runtime_core::return_if_needed(worker* w) noexcept {
  full_fence();
  if (!too_few()) return false;
  std::lock_guard guard(idle_lock_);
  if (!w->retired) return false;  // it was found after all, and is signalled
  worker** link = &retired_;
  while (*link != w) link = &(*link)->next_idle;
  *link = w->next_idle;
  w->retired = false;
  active_.fetch_add(1, std::memory_order_seq_cst);
  return true;
}

// A worker that may have been the one bound to watch next goes out of service.
void runtime_core::hand_over_watch() noexcept {
  if (watcher_.load(std::memory_order_seq_cst) != nullptr || is_ending()) return;
  if (worker* w = pop_idle()) {
    if (!wake_worker(w, false)) refused_.fetch_add(1, std::memory_order_seq_cst);
  }
}

void runtime_core::push_retired(worker* w) noexcept {
  std::lock_guard guard(idle_lock_);
  w->next_idle = retired_;
  retired_ = w;
  w->retired = true;
}

worker* runtime_core::pop_retired() noexcept {
  std::lock_guard guard(idle_lock_);
  worker* w = retired_;
  if (w != nullptr) {
    retired_ = w->next_idle;
    w->retired = false;
  }
  return w;
}

// All that stands in its queue goes to the others. By its own thread.
void runtime_core::give_away(worker* w) noexcept {
  loot l = w->queue.take_all();
  if (l.empty()) return;
  {
    std::lock_guard guard(global_lock_);
    const std::uint64_t n = l.woken.count + l.fresh.count;
    global_woken_.append(l.woken);
    global_fresh_.append_older(l.fresh);
    publish_global_locked();
    note_arrived_global_locked(n);
  }
  full_fence();
  work_added();
}

// A worker that is not needed any more gives its work away and waits, looking after its timers.
// Worker 0 stays: timers from outside go to its wheel.
bool runtime_core::retire_if_surplus(worker* w) noexcept {
  if (w->index == 0) return false;
  in_hand_.fetch_add(1, std::memory_order_seq_cst);  // until its work is in the global queue
  if (!leave_active()) {
    in_hand_.fetch_sub(1, std::memory_order_seq_cst);
    return false;
  }
  stop_searching(w, false);
  w->signal.store(0, std::memory_order_relaxed);
  w->state.store(worker_state::idle, std::memory_order_seq_cst);
  clear_stuck(w);  // after the state: see monitor_once
  push_retired(w);
  if (return_if_needed(w)) {
    w->state.store(worker_state::running, std::memory_order_relaxed);
    in_hand_.fetch_sub(1, std::memory_order_seq_cst);
    return true;  // to look for work, as any worker
  }
  give_away(w);
  // one_searcher: who gives up looks once more, since pushes have relied on it; also one that gave up
  // in sleep(), found something there at its last look, and came here instead of taking it.
  full_fence();
  if (anything_to_take(nullptr)) wake_searcher();
  hand_over_watch();
  in_hand_.fetch_sub(1, std::memory_order_seq_cst);
  const std::int64_t leaves_at = steady_now() + stand_in_stays;
  for (;;) {
    const std::int64_t now = steady_now();
    if (w->wheel.next_due() <= now) {
      in_hand_.fetch_add(1, std::memory_order_seq_cst);
      w->wheel.expire(now);
      give_away(w);
      in_hand_.fetch_sub(1, std::memory_order_seq_cst);
      continue;
    }
    if (w->signal.load(std::memory_order_acquire) != 0) break;
    if (phase_.load(std::memory_order_acquire) == phase::stopped ||
        (now >= leaves_at && w->wheel.size() == 0 && !is_ending())) {
      std::lock_guard guard(idle_lock_);
      if (!w->retired) continue;  // somebody needs it after all, and signals
      w->state.store(worker_state::unstarted, std::memory_order_release);
      return true;
    }
    futex_wait(w->signal, 0, std::min(std::max(leaves_at, now + millisecond), w->wheel.next_due()));
  }
  w->state.store(worker_state::running, std::memory_order_relaxed);
  return true;
}

runtime_core::stand_in runtime_core::add_stand_in() noexcept {
  std::lock_guard guard(grow_lock_);
  if (phase_.load(std::memory_order_acquire) == phase::stopped) return stand_in::refused;
  worker* w = pop_retired();
  if (w == nullptr) {
    const unsigned index = made_.load(std::memory_order_relaxed);
    if (index >= most_workers_) return stand_in::no_room;
    try {
      w = make_worker(index);
    } catch (const std::bad_alloc&) {
      return stand_in::refused;
    }
  }
  active_.fetch_add(1, std::memory_order_seq_cst);
  if (wake_worker(w, false)) return stand_in::added;
  active_.fetch_sub(1, std::memory_order_seq_cst);
  push_retired(w);
  return stand_in::refused;
}

void runtime_core::monitor_once(std::int64_t now) noexcept {
  bool waits = global_count_.load(std::memory_order_relaxed) != 0;
  const unsigned n = made_.load(std::memory_order_acquire);
  for (unsigned i = 0; i < n; ++i) {
    worker* w = at(i);
    if (w->state.load(std::memory_order_acquire) != worker_state::running) continue;
    const std::uint64_t moves = w->moves.load(std::memory_order_relaxed);
    if (moves != w->seen_moves) {
      w->seen_moves = moves;
      continue;
    }
    if (w->pinned.load(std::memory_order_relaxed) == nullptr &&
        !w->stuck.load(std::memory_order_relaxed)) {
      stuck_.fetch_add(1);
      w->stuck.store(true, std::memory_order_seq_cst);
      // It may have gone to sleep meanwhile: that clears the mark, after the state.
      if (w->state.load(std::memory_order_seq_cst) != worker_state::running) {
        if (w->stuck.exchange(false)) stuck_.fetch_sub(1);
        continue;
      }
    }
    waits |= w->queue.has_any() || w->wheel.next_due() <= now;
  }
  const bool unpolled =
      poller_->waiting() != 0 && watcher_.load(std::memory_order_relaxed) == nullptr;
  waits |= unpolled;
  // Workers that get on, but whose picks take long, are to look around at their next one.
  for (unsigned i = 0; i < n; ++i) {
    worker* w = at(i);
    if (w->state.load(std::memory_order_relaxed) == worker_state::running &&
        (unpolled || global_count_.load(std::memory_order_relaxed) != 0 ||
         w->wheel.next_due() <= now)) {
      w->until_look.store(1, std::memory_order_relaxed);
    }
  }
  if (!waits || kept() == 0) return;
  if (idle_count_.load(std::memory_order_relaxed) != 0) {
    wake_searcher();
  } else if (too_few() && add_stand_in() == stand_in::no_room && !told_bound_.exchange(true)) {
    std::fprintf(stderr,
                 "weft: all %u threads are kept by goroutines that block or compute; others "
                 "wait. Raise options.max_threads, or let blocking calls run elsewhere.\n",
                 most_workers_);
  }
}

void runtime_core::wake_monitor() noexcept {
  monitor_word_.fetch_add(1, std::memory_order_seq_cst);
  futex_wake(&monitor_word_);
}

void runtime_core::monitor_until(const std::atomic<bool>& done) noexcept {
  tsan_blind blind;
  unsigned quiet = 0;
  unsigned stood_in_for = 0;
  for (;;) {
    const std::uint32_t word = monitor_word_.load(std::memory_order_seq_cst);
    if (done.load(std::memory_order_acquire)) return;
    if (quiet >= quiet_periods) {
      monitor_sleeps_.store(true, std::memory_order_seq_cst);
      full_fence();  // a worker that misses the flag is seen awake here, or moves on by itself
      if (all_idle()) futex_wait(monitor_word_, word);
      monitor_sleeps_.store(false, std::memory_order_relaxed);
      quiet = 0;
    } else {
      // While somebody is stuck the next one may be soon.
      const bool hurry = stuck_.load(std::memory_order_relaxed) > stood_in_for;
      futex_wait(monitor_word_, word, steady_now() + (hurry ? hurried_period : monitor_period));
      stood_in_for = stuck_.load(std::memory_order_relaxed);
    }
    if (done.load(std::memory_order_acquire)) return;
    quiet = all_idle() ? quiet + 1 : 0;
    if (quiet == 0) monitor_once(steady_now());
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
