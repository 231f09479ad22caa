// A goroutine that keeps its thread, and changing the number of workers.
//
// alone: while worker::pinned is set the worker runs that goroutine only. Its picks find nothing,
//   since until_look is always 1, and go home; home gives away what stands in the queue, looks after
//   the wheel, and sleeps until the goroutine is woken.
// comes_back_here: the goroutine's waiter says that it is a thread's. So wake() sets `ready` and
//   passes the futex, and nobody pushes it to a queue. A yield does not push it either.
// resting: a worker in here counts in resting_, so that a deadlock can be seen; is_quiescent looks
//   at the goroutine's word, too, since a woken one rests until its thread notices.
// What it pushes to its own queue while it runs is taken over by others, as from a stuck worker: at
//   its next wait at the latest, or when a watcher or the monitor comes by.
//
// set_workers: a worker that leaves does so from find_work, as a stand-in does, and gives its queue
//   to the others (no_lost_wake: publish, fence, look at the idle list); its thread looks after its
//   wheel until that is empty. One that comes stands in the idle list first, then a heavy barrier is
//   passed and all queues are looked at, as by a sleeper.
// Proved by: tests/conformance/pinned.cpp, set_workers.cpp, tests/stress/workers_stress.cpp.
#include <sched.h>

#include <mutex>
#include <new>
#include <system_error>

#include "sched/core.hpp"

namespace weft::detail {

namespace {

// Values of a pinned goroutine's waiter::ready.
constexpr std::uint32_t woken = 1;
constexpr std::uint32_t poked = 2;  // look at the wheel and at the phase

}  // namespace

void runtime_core::pin(worker* w, goroutine* self) {
  tsan_blind blind;
  clear_stuck(w);
  // One thread at least is left to the others. Where all but that one are stuck, or on their way out
  // of service, no stand-in can be had at once; it comes when one is back (return_if_needed).
  const unsigned pins = pinned_.fetch_add(1, std::memory_order_seq_cst) + 1;
  if (pins >= most_workers_ ||
      (too_few() && add_stand_in() == stand_in::refused && !is_ending() &&
       active_.load(std::memory_order_seq_cst) <= pins)) {
    pinned_.fetch_sub(1, std::memory_order_seq_cst);
    throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again),
                            "weft::pinned: no thread is left to run the other goroutines "
                            "(options::max_threads)");
  }
  self->wait.kind = waiter_kind::thread;
  self->wait.ready.store(0, std::memory_order_relaxed);
  w->pinned.store(self, std::memory_order_release);
  w->until_look.store(1, std::memory_order_relaxed);
  give_away(w);
  give_back_stacks(w);  // or a goroutine could wait for one of them for as long as this one is pinned
}

void runtime_core::unpin(worker* w, goroutine* self) noexcept {
  tsan_blind blind;
  self->wait.kind = waiter_kind::goroutine;
  w->pinned.store(nullptr, std::memory_order_release);
  pinned_.fetch_sub(1, std::memory_order_seq_cst);  // a stand-in retires at its next look
  wake_monitor_if_asleep();
}

void runtime_core::yield_pinned(worker* w) noexcept {
  w->until_look.store(1, std::memory_order_relaxed);
  give_away(w);
  sched_yield();
}

// On the home stack: its goroutine has parked. Nothing: the run has stopped.
runnable runtime_core::wait_for_pinned(worker* w) noexcept {
  goroutine* g = w->pinned.load(std::memory_order_relaxed);
  std::atomic<std::uint32_t>& ready = g->wait.ready;
  w->until_look.store(1, std::memory_order_relaxed);
  give_away(w);
  w->state.store(worker_state::kept, std::memory_order_seq_cst);  // against add_timer
  clear_stuck(w);  // after the state: see monitor_once
  hand_over_watch();
  resting_.fetch_add(1, std::memory_order_seq_cst);
  for (;;) {
    std::uint32_t seen = ready.load(std::memory_order_acquire);
    if (seen == woken) break;
    if (phase_.load(std::memory_order_acquire) == phase::stopped) return {};
    if (seen == poked) {
      ready.compare_exchange_strong(seen, 0, std::memory_order_acq_rel);
      continue;
    }
    if (expire_for_others(w, steady_now())) continue;
    futex_wait(ready, 0, w->wheel.next_due());
  }
  ready.store(0, std::memory_order_relaxed);  // no waker is left: it was claimed once
  w->coarse_now.store(steady_now(), std::memory_order_relaxed);
  departures.fetch_add(1, std::memory_order_seq_cst);
  resting_.fetch_sub(1, std::memory_order_seq_cst);
  w->state.store(worker_state::running, std::memory_order_relaxed);
  wake_monitor_if_asleep();
  return {g, nullptr};
}

// Makes it look at its wheel and at the phase. The goroutine's memory stays readable; one that has
// gone meanwhile leaves the mark to whoever is pinned there next, or to nobody.
void runtime_core::poke_pinned(worker* w) noexcept {
  goroutine* g = w->pinned.load(std::memory_order_acquire);
  std::uint32_t none = 0;
  if (g != nullptr &&
      g->wait.ready.compare_exchange_strong(none, poked, std::memory_order_acq_rel)) {
    futex_wake(&g->wait.ready);
  }
}

void runtime_core::set_workers(unsigned n) {
  tsan_blind blind;
  std::lock_guard guard(grow_lock_);
  if (phase_.load(std::memory_order_acquire) == phase::stopped) return;
  const unsigned before = nominal_.exchange(n, std::memory_order_seq_cst);
  for (unsigned i = before; i < n && too_few(); ++i) {
    worker* w = pop_retired();
    if (w == nullptr && made_.load(std::memory_order_relaxed) < most_workers_) {
      w = make_worker(made_.load(std::memory_order_relaxed));
    }
    if (w == nullptr) break;  // the monitor makes up for it when a stand-in is free again
    active_.fetch_add(1, std::memory_order_seq_cst);
    if (w->state.load(std::memory_order_acquire) == worker_state::unstarted) {
      push_idle(w);  // its thread starts with the work
    } else {
      wake_worker(w, false);
    }
  }
  // Those that are to leave are told: who runs looks around at its next pick, who sleeps wakes.
  worker* popped = nullptr;
  if (is_surplus()) {
    for (unsigned i = 0; i < made_.load(std::memory_order_acquire); ++i) {
      worker* w = at(i);
      if (w->state.load(std::memory_order_relaxed) == worker_state::running) {
        w->until_look.store(1, std::memory_order_relaxed);
      }
    }
    while (worker* w = pop_idle()) {
      w->next_idle = popped;
      popped = w;
    }
  }
  while (popped != nullptr) {
    worker* w = popped;
    popped = w->next_idle;
    if (w->state.load(std::memory_order_acquire) != worker_state::unstarted) {
      wake_worker(w, false);
    } else if (w->index != 0 && leave_active()) {
      push_retired(w);
    } else {
      push_idle(w);
    }
  }
  heavy_barrier();  // pairs with light_barrier in work_added()
  if (anything_to_take(nullptr)) wake_searcher();
}

}  // namespace weft::detail
