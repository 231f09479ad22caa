// How a worker finds something to do, sleeps when there is nothing, and is woken. The protocol is in
// core.hpp: no_lost_wake, one_searcher, watcher.
#include "sched/core.hpp"

#include <algorithm>
#include <mutex>

namespace weft::detail {

namespace {

constexpr std::int64_t microsecond = 1'000;
constexpr std::int64_t millisecond = 1'000'000;
constexpr std::int64_t shortest_watch = 50 * microsecond;
constexpr std::int64_t longest_watch = 5 * millisecond;
constexpr std::int64_t call_watch_period = 10 * millisecond;
constexpr std::int64_t first_foreign_look = 250 * millisecond;  // for threads that are not ours
constexpr std::int64_t last_foreign_look = 2'000 * millisecond;
constexpr std::int64_t busy_poll_period = 100 * microsecond;
constexpr std::int64_t take_over_period = 100 * microsecond;

void bump(std::atomic<std::uint64_t>& owned) noexcept {
  owned.store(owned.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

}  // namespace

// ---- Picking -------------------------------------------------------------------------------

runnable runtime_core::look_around(worker* w) noexcept {
  w->until_look.store(worker::picks_a_look, std::memory_order_relaxed);
  if (phase_.load(std::memory_order_relaxed) == phase::stopped) return {};
  const std::int64_t now = steady_now();
  w->coarse_now.store(now, std::memory_order_relaxed);
  clear_stuck(w);
  if (is_surplus() && w->index != 0) return {};  // find_work retires it
  run_timers(w, now);
  // Who is never idle never searches: what stands behind a stuck worker is looked for here, too.
  if (kept() != 0 && now - w->last_take_over > take_over_period) {
    w->last_take_over = now;
    take_over_kept(w);
  }
  if (starved_count_.load(std::memory_order_relaxed) != 0) feed_starved(w);
  if (now - w->last_poll > busy_poll_period && poller_->waiting() != 0) {
    w->last_poll = now;
    poller_->poll(INT64_MIN);
  }
  // The oldest here and the oldest there in turn, so that neither starves.
  if ((now & 1024) != 0) {
    if (runnable r = take_global(w)) return r;
  }
  if (runnable r = w->queue.pick_oldest()) return r;
  if (runnable r = take_global(w)) return r;
  return w->queue.pick();
}

void runtime_core::run_timers(worker* w, std::int64_t now) noexcept {
  if (w->wheel.next_due() <= now) w->wheel.expire(now);
}

runnable runtime_core::find_work(worker* w) noexcept {
  for (;;) {
    if (phase_.load(std::memory_order_acquire) == phase::stopped) return {};
    clear_stuck(w);
    if (is_surplus() && retire_if_surplus(w)) {
      if (w->state.load(std::memory_order_relaxed) == worker_state::unstarted) return {};
      continue;
    }
    const std::int64_t now = steady_now();
    w->coarse_now.store(now, std::memory_order_relaxed);
    w->until_look.store(worker::picks_a_look, std::memory_order_relaxed);
    run_timers(w, now);
    runnable r = w->queue.pick();
    if (!r) r = take_global(w);
    if (!r && poller_->waiting() != 0) {
      w->last_poll = now;
      poller_->poll(INT64_MIN);
      r = w->queue.pick();
    }
    if (!r) {
      const unsigned all = worker_target();
      const unsigned active = all - std::min(idle_count_.load(std::memory_order_relaxed), all);
      if (!w->searching && 2 * searching_.load(std::memory_order_relaxed) < active) {
        w->searching = true;
        searching_.fetch_add(1, std::memory_order_seq_cst);
      }
      if (w->searching) {
        for (int round = 0; round < 2 && !r; ++round) {
          if (steal_into(w)) r = w->queue.pick();
          if (!r) r = take_global(w);
        }
      }
      if (!r && starved_count_.load(std::memory_order_relaxed) != 0 && feed_starved(w)) {
        r = w->queue.pick();
      }
      if (!r && kept() != 0 && take_over_kept(w)) {
        r = w->queue.pick();
      }
    }
    if (r) {
      stop_searching(w, true);
      bump(w->moves);
      return r;
    }
    sleep(w);
  }
}

bool runtime_core::steal_into(worker* w) noexcept {
  const unsigned n = made_.load(std::memory_order_acquire);
  if (n < 2) return false;
  unsigned from = w->random.below(n);
  for (unsigned i = 0; i < n; ++i, from = from + 1 == n ? 0 : from + 1) {
    worker* victim = at(from);
    if (victim == w) continue;
    loot l;
    if (victim->queue.steal(l)) {
      bump(w->steals);
      w->queue.push_loot(l);
      return true;
    }
  }
  return false;
}

// Everything that a worker owns which the monitor found not to move, or which is pinned.
bool runtime_core::take_over_kept(worker* w) noexcept {
  const unsigned n = made_.load(std::memory_order_acquire);
  const std::int64_t now = steady_now();
  for (unsigned i = 0; i < n; ++i) {
    worker* victim = at(i);
    if (victim == w || !is_kept(victim)) continue;
    if (victim->wheel.next_due() <= now) victim->wheel.try_expire(now);  // onto this worker's queue
    loot l;
    if (victim->queue.take_by_force(l)) {
      bump(w->steals);
      w->queue.push_loot(l);
    }
  }
  return w->queue.has_any();
}

void runtime_core::stop_searching(worker* w, bool found) noexcept {
  if (!w->searching) return;
  w->searching = false;
  const bool last = searching_.fetch_sub(1, std::memory_order_seq_cst) == 1;
  // What this one did not take may be for another, whose waker saw somebody searching.
  if (found && last && idle_count_.load(std::memory_order_relaxed) != 0 && anything_to_take(nullptr)) {
    wake_searcher();
  }
}

bool runtime_core::anything_to_take(worker* except) noexcept {
  if (global_count_.load(std::memory_order_acquire) != 0) return true;
  if (starved_count_.load(std::memory_order_relaxed) != 0 && stack_pool_->has_idle()) return true;
  const unsigned n = made_.load(std::memory_order_acquire);
  for (unsigned i = 0; i < n; ++i) {
    worker* w = at(i);
    if (w != except && w->queue.has_spare()) return true;
  }
  return except != nullptr && except->queue.has_any();
}

// ---- Sleeping and waking -------------------------------------------------------------------

void runtime_core::push_idle(worker* w) noexcept {
  std::lock_guard guard(idle_lock_);
  w->next_idle = idle_;
  idle_ = w;
  w->in_idle_list = true;
  idle_count_.fetch_add(1, std::memory_order_seq_cst);
  resting_.fetch_add(1, std::memory_order_seq_cst);
}

worker* runtime_core::pop_idle() noexcept {
  std::lock_guard guard(idle_lock_);
  worker* w = idle_;
  if (w == nullptr) return nullptr;
  idle_ = w->next_idle;
  w->in_idle_list = false;
  idle_count_.fetch_sub(1, std::memory_order_seq_cst);
  departures.fetch_add(1, std::memory_order_seq_cst);
  resting_.fetch_sub(1, std::memory_order_seq_cst);
  return w;
}

bool runtime_core::remove_idle(worker* w) noexcept {
  std::lock_guard guard(idle_lock_);
  if (!w->in_idle_list) return false;
  worker** link = &idle_;
  while (*link != w) link = &(*link)->next_idle;
  *link = w->next_idle;
  w->in_idle_list = false;
  idle_count_.fetch_sub(1, std::memory_order_seq_cst);
  departures.fetch_add(1, std::memory_order_seq_cst);
  resting_.fetch_sub(1, std::memory_order_seq_cst);
  return true;
}

void runtime_core::wake_searcher() noexcept {
  for (;;) {
    unsigned none = 0;
    if (!searching_.compare_exchange_strong(none, 1, std::memory_order_seq_cst)) return;
    if (worker* w = pop_idle()) {
      if (wake_worker(w, true)) return;
      refused_.fetch_add(1, std::memory_order_seq_cst);  // out of the list for good
    } else {
      searching_.fetch_sub(1, std::memory_order_seq_cst);
    }
    // Who pushed meanwhile saw somebody searching, and somebody may have gone to sleep since.
    full_fence();
    if (idle_count_.load(std::memory_order_relaxed) == 0 || !anything_to_take(nullptr)) return;
  }
}

// Out of the idle list, the first that sleeps there and will do; null: there is none.
worker* runtime_core::pop_sleeper(bool also_first) noexcept {
  worker* w = nullptr;
  {
    std::lock_guard guard(idle_lock_);
    const auto will_do = [also_first](worker* v) {
      return v->state.load(std::memory_order_relaxed) != worker_state::unstarted &&
             (also_first || v->index != 0);
    };
    for (w = idle_; w != nullptr && !will_do(w);) w = w->next_idle;
  }
  return w != nullptr && remove_idle(w) ? w : nullptr;
}

// By one that leaves its sleep with something to do: a goroutine that it runs may start another, which
// wakes nobody, and block the thread. Somebody else who sleeps is to look after it, closely. That
// costs a wake-up, so it is done now and then only; the monitor is there for the rest.
void runtime_core::call_watch() noexcept {
  if (idle_count_.load(std::memory_order_relaxed) == 0) return;
  const bool watched = watcher_.load(std::memory_order_relaxed) != nullptr;
  if (watched && !deep_watch_.load(std::memory_order_relaxed)) return;
  const std::int64_t now = steady_now();
  std::int64_t last = watch_called_.load(std::memory_order_relaxed);
  if (now - last < call_watch_period || !watch_called_.compare_exchange_strong(last, now)) return;
  if (watched) {
    poller_->interrupt();
  } else if (worker* w = pop_sleeper(true)) {
    wake_worker(w, false);
  }
}

// The worker is out of the idle list.
bool runtime_core::wake_worker(worker* w, bool to_search) noexcept {
  w->chosen_to_search.store(to_search, std::memory_order_relaxed);
  if (w->state.load(std::memory_order_acquire) == worker_state::unstarted) {
    w->searching = to_search;
    if (start_thread(w)) return true;
    w->searching = false;
    if (to_search) searching_.fetch_sub(1, std::memory_order_seq_cst);
    return false;
  }
  wakeups_.fetch_add(1, std::memory_order_relaxed);
  w->signal.store(1, std::memory_order_seq_cst);  // against in_poller in sleep()
  if (w->in_poller.load(std::memory_order_seq_cst)) {
    poller_->interrupt();
  } else {
    futex_wake(&w->signal);
  }
  return true;
}

// Returns when there may be something to do.
void runtime_core::sleep(worker* w) noexcept {
  w->signal.store(0, std::memory_order_relaxed);
  w->state.store(worker_state::idle, std::memory_order_seq_cst);
  push_idle(w);
  if (w->searching) {
    w->searching = false;
    searching_.fetch_sub(1, std::memory_order_seq_cst);
  }
  clear_stuck(w);
  if (starved_count_.load(std::memory_order_relaxed) != 0) [[unlikely]] give_back_stacks(w);
  // Other owners push without a fence; with one thread there are none, and others use a fence.
  if (threads_.load(std::memory_order_relaxed) > 1) {
    heavy_barrier();  // pairs with light_barrier in work_added()
  } else {
    full_fence();
  }
  const auto stopped = [this] { return phase_.load(std::memory_order_acquire) == phase::stopped; };
  bool chosen = false;
  if (anything_to_take(w) || stopped()) {
    chosen = !remove_idle(w);
    // one_searcher: whoever pushed this may have seen it searching and have left the rest to it, too.
    if (!chosen) {
      w->searching = true;
      searching_.fetch_add(1, std::memory_order_seq_cst);
    }
  } else {
    worker* nobody = nullptr;
    const bool watch = watcher_.compare_exchange_strong(nobody, w, std::memory_order_seq_cst);
    std::int64_t interval = shortest_watch;
    std::int64_t foreign_look = first_foreign_look;
    for (;;) {
      std::int64_t now = steady_now();
      w->coarse_now.store(now, std::memory_order_relaxed);
      std::int64_t until = w->wheel.next_due();
      if (watch) {
        const unsigned all = worker_target();
        const unsigned resting = resting_.load(std::memory_order_seq_cst) +
                                 stuck_.load(std::memory_order_relaxed);
        const bool deep = resting >= all;
        deep_watch_.store(deep, std::memory_order_relaxed);
        if (!deep) until = std::min(until, now + interval);
        if (kept() != 0) {
          for (unsigned i = 0; i < made_.load(std::memory_order_acquire); ++i) {
            const worker* other = at(i);
            if (is_kept(other)) {
              until = std::min(until, std::max(other->wheel.next_due(), now + shortest_watch));
            }
          }
        }
        if (starved_count_.load(std::memory_order_relaxed) != 0) {
          until = std::min(until, ask_for_stacks_at_.load(std::memory_order_relaxed));
        }
        if (on_deadlock != nullptr) {
          // Who goes to sleep last need not be the one that watches, and a thread that is not ours
          // may end: so it looks again every now and then.
          if (on_deadlock(*this)) break;  // main stands in this queue now
          until = std::min(until, now + foreign_look);
          if (deep) foreign_look = std::min(2 * foreign_look, last_foreign_look);
        }
      }
      if (w->signal.load(std::memory_order_seq_cst) == 0 && until > now) {
        if (watch) {
          w->in_poller.store(true, std::memory_order_seq_cst);  // against signal in wake_worker()
          if (w->signal.load(std::memory_order_seq_cst) == 0) poller_->poll(until);
          w->in_poller.store(false, std::memory_order_seq_cst);
        } else {
          futex_wait(w->signal, 0, until);
        }
      }
      if (w->signal.load(std::memory_order_acquire) != 0) {
        chosen = true;
        break;
      }
      if (w->queue.has_any() || stopped()) break;
      now = steady_now();
      if (w->wheel.next_due() <= now) break;
      if (!watch) continue;
      if (take_over_kept(w)) break;
      if (starved_count_.load(std::memory_order_relaxed) != 0 && may_ask_for_stacks(now)) break;
      // Workers that have not moved since the last look, and what waits behind them.
      bool moved = false;
      for (unsigned i = 0; i < made_.load(std::memory_order_acquire); ++i) {
        worker* other = at(i);
        if (other == w || other->state.load(std::memory_order_relaxed) != worker_state::running) {
          continue;
        }
        const std::uint64_t moves = other->moves.load(std::memory_order_relaxed);
        if (moves != other->watched_moves) {
          other->watched_moves = moves;
          moved = true;
          // It gets on, but a pick may take long: it is to look at its timers.
          if (other->wheel.next_due() < now - millisecond) {
            other->until_look.store(1, std::memory_order_relaxed);
          }
          continue;
        }
        in_hand_.fetch_add(1, std::memory_order_seq_cst);
        if (other->wheel.next_due() < now - millisecond) other->wheel.try_expire(now);
        loot l;
        if (other->queue.take_by_force(l)) {
          bump(w->steals);
          w->queue.push_loot(l);
        }
        in_hand_.fetch_sub(1, std::memory_order_seq_cst);
      }
      if (w->queue.has_any()) break;
      interval = moved ? shortest_watch : std::min(2 * interval, longest_watch);
    }
    if (watch) watcher_.store(nullptr, std::memory_order_seq_cst);
    if (!chosen) chosen = !remove_idle(w);
  }
  if (chosen) {
    // Whoever took this worker out of the list signals it, now or in a moment.
    while (w->signal.load(std::memory_order_acquire) == 0) futex_wait(w->signal, 0);
    w->searching = w->chosen_to_search.load(std::memory_order_relaxed);
  }
  w->state.store(worker_state::running, std::memory_order_relaxed);
  wake_monitor_if_asleep();
  // Several came at once: somebody may help.
  if (w->queue.has_spare()) work_added();
  call_watch();
}

bool runtime_core::all_idle() const noexcept {
  return resting_.load(std::memory_order_seq_cst) == worker_target();
}

bool runtime_core::is_quiescent() const noexcept {
  if (phase_.load(std::memory_order_acquire) != phase::running) return false;
  const std::uint64_t before = departures.load(std::memory_order_seq_cst);
  if (in_hand_.load(std::memory_order_seq_cst) != 0 || starved_count_.load() != 0) return false;
  if (!all_idle() || searching_.load(std::memory_order_relaxed) != 0) return false;
  if (global_count_.load(std::memory_order_acquire) != 0) return false;
  if (poller_->waiting() != 0 || outside_activities.load(std::memory_order_acquire) != 0) return false;
  for (unsigned i = 0; i < made_.load(std::memory_order_acquire); ++i) {
    const worker* w = at(i);
    if (w->queue.has_any() || w->wheel.size() != 0) return false;
    // A pinned goroutine that was woken counts as resting until its thread has noticed. None went
    // on since we began, and all words are open now: so they were when all rested.
    if (goroutine* g = w->pinned.load(std::memory_order_acquire)) {
      const std::uint32_t word = g->wait.word.value();
      if (word != claim_open && word != claim_held) return false;
    }
  }
  if (departures.load(std::memory_order_seq_cst) != before) return false;
  // In this order: who has work in hand publishes it, and wakes who takes it, before it lets go.
  return in_hand_.load(std::memory_order_seq_cst) == 0 && all_idle() &&
         global_count_.load(std::memory_order_acquire) == 0;
}

}  // namespace weft::detail
