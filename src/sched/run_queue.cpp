#include "sched/run_queue.hpp"

#include <sched.h>

#include "base/futex.hpp"
#include "base/spin_lock.hpp"

namespace weft::detail {

namespace {
constexpr std::int64_t ask_patience = 20'000;  // ns before a thief forces the owner's queue
constexpr int looks_before_yield = 4;
}

runnable run_queue::pick_oldest() noexcept {
  begin();
  runnable r;
  // Turn about, or endless yields would starve the seeds.
  if ((++streak_ & 1) != 0) r.fresh = fresh_.pop_oldest();
  if (r.fresh == nullptr) r.started = woken_.pop_front();
  end();
  return r;
}

void run_queue::push_behind(seed* s) noexcept {
  begin();
  fresh_.push_oldest(s);
  end();
}

void run_queue::push_loot(loot& l) noexcept {
  begin();
  const std::uint64_t n = l.woken.count + l.fresh.count;
  woken_.append(l.woken);
  fresh_.append_older(l.fresh);
  end();
  arrived_.store(arrived_.load(std::memory_order_relaxed) + n, std::memory_order_release);
}

loot run_queue::take_all() noexcept {
  begin();
  loot l;
  cut(l, how_much::all);
  end();
  return l;
}

void run_queue::cut(loot& into, how_much amount) noexcept {
  plain_access(this);
  plain_access(&into);
  if (amount != how_much::half) {
    if (next_ != nullptr) woken_.push_back(next_);
    next_ = nullptr;
    into.woken = woken_;
    woken_ = {};
    if (amount == how_much::all) {
      into.fresh = fresh_;
      fresh_ = {};
    }
  } else if (woken_.count > 1) {
    into.woken = woken_.cut(woken_.count / 2 < most_woken ? woken_.count / 2 : most_woken);
  } else if (fresh_.count > 1) {
    into.fresh = fresh_.cut(fresh_.count / 2 < most_fresh ? fresh_.count / 2 : most_fresh);
  }
  left_.store(left_.load(std::memory_order_relaxed) + into.woken.count + into.fresh.count,
              std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);  // pairs with runtime_core::stats
  publish_counts();
}

// The owner, busy, has seen a thief.
void run_queue::serve() noexcept {
  for (;;) {
    std::uintptr_t cell = thief_.load(std::memory_order_acquire);
    if (cell == 0) return;
    if (ring(cell)) continue;
    if ((cell & forced) == 0) {
      if (!thief_.compare_exchange_strong(cell, cell | answering, std::memory_order_acq_rel)) {
        continue;  // it just lost patience
      }
      auto* asked = reinterpret_cast<request*>(cell);
      cut(asked->taken, how_much::half);
      thief_.store(0, std::memory_order_release);
      asked->answered.store(true, std::memory_order_release);  // last: the request may go now
      return;
    }
    busy_.store(0, std::memory_order_release);
    for (backoff b; (thief_.load(std::memory_order_acquire) & forced) != 0;) b.wait();
    busy_.store(at_lists, std::memory_order_relaxed);
    light_barrier();  // as in begin()
  }
}

// Whether the cell held a bell.
bool run_queue::ring(std::uintptr_t cell) noexcept {
  if ((cell & bell) == 0) return false;
  if (thief_.compare_exchange_strong(cell, 0, std::memory_order_acq_rel)) {
    auto& word = reinterpret_cast<bell_word*>(cell & ~bell)->rung;
    word.fetch_add(1, std::memory_order_seq_cst);
    futex_wake(&word);
  }
  return true;
}

// thief_ says forced: waits until the owner is out of the lists. It stays out until thief_ is 0.
void run_queue::force() noexcept {
  heavy_barrier();  // pairs with light_barrier in begin()
  for (backoff b; busy_.load(std::memory_order_acquire) == at_lists;) b.wait();
}

bool run_queue::take(loot& into, how_much amount, std::int64_t patience) noexcept {
  request mine;
  const auto cell = reinterpret_cast<std::uintptr_t>(&mine);
  std::uintptr_t expected = 0;
  while (!thief_.compare_exchange_strong(expected, patience > 0 ? cell : cell | forced,
                                         std::memory_order_acq_rel)) {
    if (!ring(expected)) return false;  // another thief is at it
    expected = 0;
  }
  if (patience > 0) {
    const std::int64_t until = steady_now() + patience;
    for (int looks = 0; !mine.answered.load(std::memory_order_acquire); ++looks) {
      for (int i = 0; i < 16; ++i) pause();
      // With more workers than CPUs the owner may have been preempted by this very thread. Only for seeds:
      // goroutines that talk are better left together. 500,000 starts with 64 workers on 2 CPUs: 152 ns
      // each without, 117 with it.
      if (looks >= looks_before_yield && fresh_count() > 1) sched_yield();
      if (steady_now() < until) continue;
      expected = cell;
      if (thief_.compare_exchange_strong(expected, cell | forced, std::memory_order_acq_rel)) {
        break;
      }
      for (backoff b; !mine.answered.load(std::memory_order_acquire);) b.wait();
    }
    if (mine.answered.load(std::memory_order_acquire)) {
      plain_access(&mine.taken);
      into = mine.taken;
      return !into.empty();
    }
  }
  force();
  cut(into, amount);
  thief_.store(0, std::memory_order_release);  // pairs with serve(): the lists are whole
  return !into.empty();
}

bool run_queue::steal(loot& into) noexcept {
  if (!has_spare()) return false;
  return take(into, how_much::half, ask_patience);
}

void run_queue::take_own_woken(loot& into) noexcept {
  begin();
  cut(into, how_much::woken);
  end();
}

bool run_queue::take_woken_by_force(loot& into) noexcept {
  if (length() == fresh_count()) return false;
  return take(into, how_much::woken, 0);
}

bool run_queue::take_by_force(loot& into) noexcept {
  if (!has_any()) return false;
  return take(into, how_much::all, 0);
}

}  // namespace weft::detail
