// Workers that come and go: stand-ins for those that are kept, and what is more than enough.
//
// needed: active_ workers take part, nominal_ of them and one for each that is kept, and extra_ while
//   more and more get stuck. Whoever finds more retires at its next look (retire_if_surplus), and the
//   monitor sends those that sleep (retire_idle).
// Both sides of a change write their own number first and look at the other's then.
// A retired worker's thread looks after its timers, stays for a second, and ends.
// Proved by: tests/unit/blocked_thread_test.cpp, tests/stress/workers_stress.cpp.
#include <algorithm>
#include <mutex>
#include <new>

#include "sched/core.hpp"

namespace weft::detail {

namespace {

constexpr std::int64_t millisecond = 1'000'000;
constexpr std::int64_t stand_in_stays = 1'000 * millisecond;

}  // namespace

// Who is kept, or asks for more workers, says so first and looks at active_ then: it sees this one
// gone, or this one sees it.
bool runtime_core::leave_active() noexcept {
  unsigned active = active_.load(std::memory_order_relaxed);
  do {
    if (active <= needed()) return false;
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
  // With nobody idle only the monitor can see to it, and by this worker's timers it does not wake.
  if (idle_count_.load(std::memory_order_relaxed) == 0) wake_monitor_if_asleep();
}

// By a worker that runs nothing for now (kept by its goroutine, or retired): whom its timers wake runs
// elsewhere. False: none is due.
bool runtime_core::expire_for_others(worker* w, std::int64_t now) noexcept {
  w->coarse_now.store(now, std::memory_order_relaxed);
  if (w->wheel.next_due() > now) return false;
  in_hand_.fetch_add(1, std::memory_order_seq_cst);  // until they are in the global queue
  w->wheel.expire(now);
  give_away(w);
  in_hand_.fetch_sub(1, std::memory_order_seq_cst);
  return true;
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
  give_back_stacks(w);
  const std::int64_t leaves_at = steady_now() + stand_in_stays;
  for (;;) {
    const std::int64_t now = steady_now();
    if (expire_for_others(w, now)) continue;
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
  wake_monitor_if_asleep();
  return true;
}

// Those that sleep and are too many by now: nothing else would make them look. By the monitor.
void runtime_core::retire_idle() noexcept {
  const unsigned active = active_.load(std::memory_order_relaxed);
  for (unsigned most = needed(); active > most; ++most) {
    worker* w = pop_sleeper(false);
    if (w == nullptr) return;
    wake_worker(w, false);  // and it finds out
  }
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

}  // namespace weft::detail
