// The end of a run: every wait is decided, what is left unwinds, the workers stop. See
// docs/design.md.
#include "sched/core.hpp"

#include <algorithm>
#include <iterator>
#include <mutex>

namespace weft::detail {

namespace {

constexpr std::int64_t millisecond = 1'000'000;
constexpr std::int64_t longest_pause = 10 * millisecond;  // between two looks
constexpr unsigned patience = 25;                         // looks, about 0.2 s

}  // namespace

template <class Visit>
void runtime_core::for_each_goroutine(Visit visit) noexcept {
  stack_pool_->for_each_block([&](void* block) {
    auto* g = static_cast<goroutine*>(block);
    if (g->core.load(std::memory_order_relaxed) == this &&
        g->state.load(std::memory_order_acquire) != goroutine_state::none) {
      visit(g);
    }
  });
}

void runtime_core::claim_parked(claim_value value, wake_list& claimed) noexcept {
  for_each_goroutine([&](goroutine* g) {
    // An open word says that the context is saved; the claim is as any partner's.
    if ((g->wait.word.value() == claim_open || g->wait.word.value() == claim_held) && !g->waits_on.load(std::memory_order_relaxed) &&
        g->wait.word.claim(value)) {
      claimed.add(&g->wait);
    }
  });
}

// rivals_ is set: waits until no claim is under way that has not seen it.
void runtime_core::wait_for_claimers() noexcept {
  heavy_barrier();  // pairs with light_barrier in claim_from()
  for (unsigned i = 0; i < made_.load(std::memory_order_acquire); ++i) {
    worker* w = at(i);
    for (backoff b; w->claiming.load(std::memory_order_acquire);) b.wait();
  }
}

void runtime_core::hold_claims() noexcept {
  rivals_.fetch_add(1, std::memory_order_seq_cst);
  wait_for_claimers();
}

void runtime_core::decide_all_waits() noexcept {
  tsan_blind blind;
  begin_to_end();
  wait_for_claimers();
  wake_list claimed;
  claim_parked(claim_exit, claimed);
  claim_suspended();  // resumed later: see wait_until_empty
  phase_.store(phase::unwinding, std::memory_order_seq_cst);
  claimed.wake_all();
}

bool runtime_core::wait_until_empty(std::int64_t until) noexcept {
  tsan_blind blind;
  std::int64_t next_look = steady_now() + longest_pause;
  std::int64_t pause = millisecond / 2;
  std::size_t alive_before = 0;
  unsigned looks_alike = 0;
  // Nothing runs and nothing is queued.
  const auto is_at_rest = [this] {
    if (in_hand_.load(std::memory_order_seq_cst) != 0 || starved_count_.load() != 0) return false;
    if (!all_idle() || searching_.load(std::memory_order_relaxed) != 0) return false;
    for (unsigned i = 0; i < made_.load(std::memory_order_acquire); ++i) {
      if (at(i)->queue.has_any()) return false;
    }
    return in_hand_.load(std::memory_order_seq_cst) == 0 && all_idle() &&
           global_count_.load(std::memory_order_acquire) == 0;
  };
  for (;;) {
    const std::uint32_t word = end_word_.load(std::memory_order_acquire);
    const std::size_t left = alive();
    if (left == 0) return true;
    // Those that were on their way to a wait when the run ended.
    wake_list claimed;
    claim_parked(claim_exit, claimed);
    claimed.wake_all();
    const std::int64_t now = steady_now();
    // Goroutines first: one that unwinds may destroy a coroutine that it owns. But one may also
    // wait for a coroutine: so only until all that are left wait, or one does not come to an end.
    looks_alike = left == alive_before ? looks_alike + 1 : 0;
    alive_before = left;
    const std::size_t held = claim_suspended();
    if (held != 0 && (left <= held || is_at_rest() || looks_alike >= patience || now >= until)) {
      resume_claimed();
    }
    if (now >= until) return false;
    if (now >= next_look) {
      monitor_once(now);
      next_look = now + longest_pause;
    }
    // Each look goes over every stack: less and less often.
    futex_wait(end_word_, word, std::min(now + pause, until));
    pause = std::min(2 * pause, longest_pause);
  }
}

bool runtime_core::stop_workers(std::int64_t until) noexcept {
  tsan_blind blind;
  {
    std::lock_guard guard(grow_lock_);  // no worker is made from here on
    phase_.store(phase::stopped, std::memory_order_seq_cst);
  }
  heavy_barrier();
  for (backoff b; visitors_.load(std::memory_order_seq_cst) != 0;) b.wait();
  while (worker* w = pop_idle()) {
    if (w->state.load(std::memory_order_acquire) != worker_state::unstarted) wake_worker(w, false);
  }
  bool clean = true;
  for (unsigned i = 0; i < made_.load(std::memory_order_acquire); ++i) {
    worker* w = at(i);
    while (w->left.load(std::memory_order_acquire) == 0 && steady_now() < until) {
      w->signal.store(1, std::memory_order_seq_cst);
      futex_wake(&w->signal);
      if (w->in_poller.load(std::memory_order_seq_cst)) poller_->interrupt();
      poke_pinned(w);
      futex_wait(w->left, 0, std::min(steady_now() + millisecond, until));
    }
    const bool gone = w->left.load(std::memory_order_acquire) != 0;
    if (take_handle(w)) gone ? w->thread.join() : w->thread.detach();
    clean &= gone;
  }
  return clean;
}

void runtime_core::let_go() noexcept {
  while (kept_stacks_ != nullptr) {
    void* blocks[worker::stack_cache];
    std::size_t n = 0;
    for (; n < std::size(blocks) && kept_stacks_ != nullptr; kept_stacks_ = kept_stacks_->next) {
      blocks[n++] = kept_stacks_;
    }
    stack_pool_->give_back(blocks, n);
  }
  poller_.reset();
  on_deadlock = nullptr;
  options_.on_uncaught = nullptr;
}

// No thread of this core is left, so its queues are this thread's.
seed* runtime_core::leftover_seeds() noexcept {
  tsan_blind blind;
  seed_list all;
  for (unsigned i = 0; i < made_.load(std::memory_order_acquire); ++i) {
    loot l = at(i)->queue.take_all();
    all.append_older(l.fresh);
  }
  std::lock_guard guard(global_lock_);
  all.append_older(global_fresh_);
  all.append_older(starved_);
  starved_count_.store(0, std::memory_order_relaxed);
  publish_global_locked();
  return all.newest;
}

timer_node* runtime_core::leftover_timers() noexcept {
  timer_node* all = nullptr;
  for (unsigned i = 0; i < made_.load(std::memory_order_acquire); ++i) {
    timer_node* part = at(i)->wheel.drain();
    while (part != nullptr) {
      timer_node* next = part->next_to_fire;
      part->next_to_fire = all;
      all = part;
      part = next;
    }
  }
  return all;
}

}  // namespace weft::detail
