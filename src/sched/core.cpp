#include "sched/core.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <new>
#include <system_error>
#include <utility>

#include <sys/mman.h>
#include <unistd.h>

#include "stack/alternate_stack.hpp"
#include "stack/stack_use.hpp"

namespace weft::detail {

std::atomic<std::uint64_t> own_threads{0};
std::atomic<std::uint64_t> departures{0};

saved_context make_goroutine_context(goroutine*, std::size_t stack_bytes) noexcept;
void switch_from_home(worker*, goroutine* to) noexcept;
void run_worker(worker*);

namespace {

constexpr std::uint64_t id_block = 1 << 12;

std::atomic<std::uint64_t> ids_given{1};

}  // namespace

// ---- Starting ------------------------------------------------------------------------------

void runtime_core::start(const options& o, std::unique_ptr<poller> p) {
  tsan_blind blind;
  options_ = o;
  poller_ = std::move(p);
  stack_pool_ = &stack_pool::of_size(o.stack_size);
  void* stack = nullptr;  // without one nothing would ever run
  std::size_t cold = 0;
  if (stack_pool_->take(&stack, 1, &cold) == 0) throw std::bad_alloc();
  stack_pool_->give_back(&stack, 1, cold);
  first_seed_ = o.seed;
  floating_ = thread_floating_control().without_flags();
  signal_mask_ = signal_mask_of_thread();
  nominal_.store(o.workers, std::memory_order_relaxed);
  most_workers_ = std::max(o.max_threads, o.workers);
  if (most_workers_ > room_) {
    auto array = std::make_unique<std::atomic<worker*>[]>(most_workers_);
    for (unsigned i = 0; i < storage_.size(); ++i) array[i] = storage_[i].get();
    storage_.reserve(most_workers_);
    workers_.store(array.get(), std::memory_order_release);  // pairs with at()
    arrays_.push_back(std::move(array));
    room_ = most_workers_;
  }
  searching_ = 0;
  wakeups_ = 0;
  watcher_ = nullptr;
  deep_watch_ = false;
  watch_called_ = 0;
  stuck_ = 0;
  pinned_ = 0;
  extra_ = 0;
  active_ = o.workers;
  resting_ = 0;
  rivals_.fetch_and(~ending_bit);
  refused_ = 0;
  idle_ = retired_ = nullptr;
  idle_count_ = 0;
  spawned_outside_ = ended_outside_ = 0;
  left_global_ = arrived_global_ = 0;
  ever_starved_ = 0;
  ask_for_stacks_at_ = 0;
  main_goroutine = nullptr;
  monitor_sleeps_ = false;
  made_ = 0;
  while (made_ < o.workers) make_worker(made_);
  phase_.store(phase::running, std::memory_order_release);
  // Worker 0 comes first out of the idle list; the others' threads start with the work.
  for (unsigned i = o.workers; i-- > 1;) push_idle(at(i));
  if (!start_thread(at(0))) {
    phase_ = phase::stopped;
    throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again),
                            "weft: cannot start a thread for a worker");
  }
}

worker* runtime_core::make_worker(unsigned index) {
  if (index == storage_.size()) storage_.push_back(std::make_unique<worker>());
  worker* w = storage_[index].get();
  w->core = this;
  w->index = index;
  w->random.set(first_seed_ + index);
  w->until_look.store(worker::picks_a_look, std::memory_order_relaxed);
  w->searching = false;
  w->retired = false;
  w->moves = w->spawned = w->ended = w->steals = 0;
  w->seen_moves = ~std::uint64_t{0};
  w->queue.forget_moves();
  w->signal = 0;
  w->stuck = false;
  w->pinned = nullptr;
  w->state = worker_state::unstarted;
  w->left = 1;
  w->in_idle_list = false;
  workers_.load(std::memory_order_relaxed)[index].store(w, std::memory_order_release);
  made_.store(index + 1, std::memory_order_release);
  return w;
}

bool runtime_core::start_thread(worker* w) noexcept {
  // A stand-in that had gone may be at its last instructions.
  while (w->left.load(std::memory_order_acquire) == 0) futex_wait(w->left, 0);
  w->state.store(worker_state::running, std::memory_order_relaxed);
  w->left.store(0, std::memory_order_relaxed);
  threads_.fetch_add(1, std::memory_order_relaxed);
  w->handle.store(handle_state::starting, std::memory_order_relaxed);
  const signals_blocked until_it_has_its_own;
  try {
    w->thread = std::thread(&run_worker, w);
    w->handle.store(handle_state::held, std::memory_order_release);  // pairs with take_handle
    return true;
  } catch (...) {
    w->handle.store(handle_state::none, std::memory_order_relaxed);
    threads_.fetch_sub(1, std::memory_order_relaxed);
    w->state.store(worker_state::unstarted, std::memory_order_relaxed);
    w->left.store(1, std::memory_order_relaxed);
    if (!told_refused_.exchange(true)) {
      std::fputs("weft: the system refuses another thread; going on with fewer\n", stderr);
    }
    return false;
  }
}

bool runtime_core::take_handle(worker* w) noexcept {
  for (backoff b; w->handle.load(std::memory_order_relaxed) == handle_state::starting;) b.wait();
  handle_state held = handle_state::held;
  return w->handle.compare_exchange_strong(held, handle_state::none, std::memory_order_acquire,
                                           std::memory_order_relaxed);
}

void run_worker(worker* w) {
  runtime_core& core = *w->core;
  tsan_blind blind;
  count_own_thread();
  alternate_stack for_signals;
  set_current_worker(w);
  set_signal_mask_of_thread(core.signal_mask_);
  w->exceptions = thread_exception_globals();
  w->error_number = thread_errno();
  w->thread_id.store(gettid(), std::memory_order_relaxed);
  core.wake_monitor_if_asleep();
#if WEFT_TSAN
  w->tsan_fibre = __tsan_get_current_fiber();
  // Two goroutines on one thread may both set errno; each gets its own back after a wait.
  AnnotateBenignRaceSized(__FILE__, __LINE__, w->error_number, sizeof(int), "errno");
#endif
  // The thread's own storage comes about here, and the goroutines that it runs use it (errno):
  // each resume acquires this, which nobody releases again.
  tsan_blind::end();
  order_before(w);
  tsan_blind::begin();
  w->coarse_now.store(steady_now(), std::memory_order_relaxed);
  for (;;) {
    runnable next;
    if (w->to_bind != nullptr) {
      next.fresh = std::exchange(w->to_bind, nullptr);
    } else if (w->pinned.load(std::memory_order_relaxed) != nullptr) [[unlikely]] {
      next = core.wait_for_pinned(w);
    } else {
      if (w->until_look.load(std::memory_order_relaxed) != 0) next = core.pick(w);
      if (!next && w->until_look.load(std::memory_order_relaxed) == 0) next = core.look_around(w);
      if (!next) {
        next = core.find_work(w);
      } else {
        core.stop_searching(w, true);  // one that was started to search and found at once
      }
    }
    if (!next) break;
#if WEFT_FORCE_MIGRATION
    if (core.must_move(w, next)) {
      core.move_away(next.started);
      continue;
    }
#endif
    goroutine* to = next.fresh != nullptr ? core.bind(w, next.fresh) : next.started;
    if (to != nullptr) switch_from_home(w, to);
  }
  core.give_up_everything(w);
  // A stand-in that is not needed any more goes alone; the others are joined at the end of the run.
  for (backoff b; w->handle.load(std::memory_order_relaxed) == handle_state::starting;) b.wait();
  if (w->state.load(std::memory_order_relaxed) == worker_state::unstarted && core.take_handle(w)) {
    w->thread.detach();
  }
  set_current_worker(nullptr);
  core.threads_.fetch_sub(1, std::memory_order_relaxed);
  uncount_own_thread();
  w->left.store(1, std::memory_order_release);
  futex_wake(&w->left);
}

void runtime_core::give_up_everything(worker* w) noexcept {
  give_back_all_stacks(w);
  w->seeds.give_all_back();
}

// ---- Goroutines and their stacks -----------------------------------------------------------

goroutine* runtime_core::bind(worker* w, seed* s) noexcept {
  if (w->stack_count == 0 && !refill_stacks(w)) [[unlikely]] {
    starve(s);
    return nullptr;
  }
  void* block = w->stacks[--w->stack_count];
  w->cold_stacks = std::min(w->cold_stacks, w->stack_count);
  const std::size_t bytes = stack_pool_->stack_size();
  auto* g = static_cast<goroutine*>(block);
#if WEFT_TSAN || WEFT_ASAN
  char* low = g->stack_low != nullptr ? g->stack_low : stack_pool_->low_end(block);
#if WEFT_TSAN
  fibre_slot* fibre = g->tsan_fibre;
  while (fibre != nullptr && fibre->in_use.load(std::memory_order_acquire)) sched_yield();
  // Mapped anew, so that TSan forgets who touched it before.
  mmap(low, bytes, PROT_READ | PROT_WRITE,
       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK | MAP_FIXED, -1, 0);
  g->tsan_fibre = fibre != nullptr ? fibre : new fibre_slot{__tsan_create_fiber(0)};
#else
  __asan_unpoison_memory_region(low, bytes);
  g->asan_fake_stack = nullptr;
#endif
  g->stack_low = low;
  g->stack_bytes = static_cast<std::size_t>(static_cast<char*>(block) - low);
#endif
  if (options_.measure_stacks) [[unlikely]] {
    forget_stack_use(stack_pool_->low_end(block), static_cast<char*>(block));
    g->has_extras = true;  // its end looks at the stack
  }
  g->context = make_goroutine_context(g, bytes - control_block_size);
  set_floating_control(g->context, floating_);
  g->core.store(this, std::memory_order_relaxed);
  g->exit_guards = 0;
  g->has_saved_exceptions = false;
  g->name = nullptr;
  g->wait.kind = waiter_kind::goroutine;
  rebirth(w, g, s);
  return g;
}

// By a goroutine that switches away with locks held. Null: home is to bind it.
goroutine* runtime_core::bind_if_quick(worker* w, seed* s) noexcept {
  // Measuring stacks returns their memory first.
  if (w->stack_count > w->cold_stacks && !options_.measure_stacks) [[likely]] return bind(w, s);
  w->to_bind = s;
  return nullptr;
}

// The same stack, another goroutine.
void runtime_core::rebirth(worker* w, goroutine* g, seed* s) noexcept {
  g->birth = s;
  g->kind = s->kind;
  g->unwinds_by_exit = false;
  g->exit_guards = 0;
  g->waits_for.store(nullptr, std::memory_order_relaxed);
  if (w->next_id == w->end_id) [[unlikely]] {
    w->next_id = ids_given.fetch_add(id_block, std::memory_order_relaxed);
    w->end_id = w->next_id + id_block;
  }
  g->id.store(w->next_id++, std::memory_order_relaxed);
  g->state.store(goroutine_state::alive, std::memory_order_release);
}

void runtime_core::free_stack(worker* w, goroutine* g) noexcept {
  g->state.store(goroutine_state::none, std::memory_order_relaxed);
  if (w->stack_count == worker::stack_cache) {
    if (is_ending()) [[unlikely]] {
      // claim_parked must not meet a goroutine of another runtime on it.
      std::lock_guard guard(kept_lock_);
      g->next = kept_stacks_;
      kept_stacks_ = g;
      return;
    }
    constexpr std::uint32_t half = worker::stack_cache / 2;
    const std::uint32_t cold = std::min(w->cold_stacks, half);
    stack_pool_->give_back(w->stacks, half, cold);
    std::memmove(w->stacks, w->stacks + half, half * sizeof(void*));
    w->stack_count = half;
    w->cold_stacks -= cold;
  }
  w->stacks[w->stack_count++] = g;
  if (starved_count_.load(std::memory_order_relaxed) != 0) [[unlikely]] feed_starved(w);
}

void runtime_core::note_end(worker*) noexcept {
  end_word_.fetch_add(1, std::memory_order_release);
  if (alive() == 0) futex_wake(&end_word_);
}

// ---- Making runnable -----------------------------------------------------------------------

void runtime_core::submit(seed* s) {
  order_before(s);
  tsan_blind blind;
  worker* w = current_worker();
  if (w != nullptr && w->core == this) {
    submit_here(w, s);
  } else {
    arriving_.fetch_add(1, std::memory_order_relaxed);
    spawned_outside_.fetch_add(1, std::memory_order_release);  // pairs with alive()
    push_global(nullptr, s);
    arriving_.fetch_sub(1, std::memory_order_release);  // pairs with stats()
  }
}

void runtime_core::ready(goroutine* g) noexcept {
  worker* w = current_worker();
  if (w == nullptr || w->core != this) {
    push_global(g, nullptr);
  } else if (w->current == nullptr) {
    // From the home stack, by a timer or a descriptor: many may come at once.
    w->queue.push_woken(g);
    // One that just comes out of its sleep looks for helpers itself.
    if (w->queue.has_spare() && w->state.load(std::memory_order_relaxed) == worker_state::running) {
      work_added();
    }
  } else {
    ready_next(w, g);
  }
}

void runtime_core::push_global(goroutine* g, seed* s) noexcept {
  visitors_.fetch_add(1, std::memory_order_seq_cst);
  {
    std::lock_guard guard(global_lock_);
    if (g != nullptr) {
      global_woken_.push_back(g);
    } else {
      global_fresh_.push_newest(s);
    }
    publish_global_locked();
  }
  full_fence();  // pairs with the barrier in sleep(), also where that is only a fence
  work_added();
  if (idle_count_.load(std::memory_order_relaxed) == 0) wake_monitor_if_asleep();
  visitors_.fetch_sub(1, std::memory_order_seq_cst);
}

void runtime_core::publish_global_locked() noexcept {
  global_count_.store(global_woken_.count + global_fresh_.count, std::memory_order_relaxed);
  global_fresh_count_.store(global_fresh_.count, std::memory_order_relaxed);
}

void runtime_core::note_left_global_locked(std::uint64_t n) noexcept {
  left_global_.store(left_global_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);  // pairs with stats()
}

void runtime_core::note_arrived_global_locked(std::uint64_t n) noexcept {
  arrived_global_.store(arrived_global_.load(std::memory_order_relaxed) + n,
                        std::memory_order_release);
}

runnable runtime_core::take_global(worker* w) noexcept {
  if (global_count_.load(std::memory_order_relaxed) == 0) return {};
  loot part;
  runnable r;
  {
    std::lock_guard guard(global_lock_);
    // A fair share, so that the others find some, too.
    const std::uint32_t share = nominal_.load(std::memory_order_relaxed);
#if WEFT_FORCE_MIGRATION
    if (goroutine* g = take_moved_locked(w)) part.woken.push_back(g);
#else
    part.woken = global_woken_.cut(std::min(global_woken_.count / share + 1, 64u));
#endif
    if (part.woken.count == 0) {
      part.fresh = global_fresh_.cut(std::min(global_fresh_.count / share + 1, 512u));
    }
    r.started = part.woken.pop_front();
    if (r.started == nullptr) r.fresh = part.fresh.pop_oldest();
    note_left_global_locked(part.woken.count + part.fresh.count);
    publish_global_locked();
  }
#if WEFT_FORCE_MIGRATION
  if (!r) nap_if_refused(w);
#endif
  if (!part.empty()) w->queue.push_loot(part);
  return r;
}

void runtime_core::add_timer(timer_node& node) noexcept {
  tsan_blind blind;
  worker* w = current_worker();
  if (w != nullptr && w->core == this) {
    // This worker looks before it sleeps; if it was stuck it may not come to that.
    if (w->wheel.add(node, coarse_time(w)) && is_kept(w)) wake_monitor_if_asleep();
    return;
  }
  visitors_.fetch_add(1, std::memory_order_seq_cst);
  w = at(0);
  if (w->wheel.add(node)) {
    full_fence();
    if (w->state.load(std::memory_order_relaxed) != worker_state::running) {
      std::unique_lock guard(idle_lock_);
      if (w->in_idle_list && !w->retired) {
        guard.unlock();
        if (remove_idle(w)) wake_worker(w, false);
      } else {
        poke_pinned(w);
      }
    } else if (is_kept(w)) {
      wake_monitor_if_asleep();
    }
  }
  visitors_.fetch_sub(1, std::memory_order_seq_cst);
}

// ---- Looking in ----------------------------------------------------------------------------

std::uint64_t runtime_core::ended_so_far() const noexcept {
  std::uint64_t ended = ended_outside_.load(std::memory_order_acquire);
  for (unsigned i = 0; i < made_.load(std::memory_order_acquire); ++i) {
    ended += at(i)->ended.load(std::memory_order_acquire);
  }
  return ended;
}

std::size_t runtime_core::alive() const noexcept {
  // Ends first: what ends meanwhile is counted as alive, and nothing as ended that had not begun.
  const std::uint64_t ended = ended_so_far();
  std::uint64_t spawned = spawned_outside_.load(std::memory_order_acquire);
  const unsigned n = made_.load(std::memory_order_acquire);
  for (unsigned i = 0; i < n; ++i) {
    spawned += at(i)->spawned.load(std::memory_order_acquire);
  }
  return spawned > ended ? static_cast<std::size_t>(spawned - ended) : 0;
}

std::size_t runtime_core::unstarted() const noexcept {
  std::size_t n = global_fresh_count_.load(std::memory_order_relaxed);
  for (unsigned i = 0; i < made_.load(std::memory_order_acquire); ++i) {
    n += at(i)->queue.fresh_count();
  }
  return n;
}

namespace {

struct carried_by {
  std::size_t queued = 0;
  std::size_t in_hand = 0;  // at least
};

// Some looks at a worker that is at it, for a quiet one.
//
// two_in_hand: between a yield's pick and its push two are in no list. The queue is busy from before
//   the first to after the second, and the yield is counted in between. So who sees the counts of that
//   time sees the queue busy, before it reads them or after; or it was not yet when they looked and is
//   no more, and then the yield was counted after the first look.
carried_by look_at(const worker& w) noexcept {
  carried_by found;
  for (int looks = 0; looks < 8; ++looks) {
    const std::uint64_t yields = w.yields.load(std::memory_order_acquire);
    const bool was_busy = w.queue.is_busy();
    found.queued = w.queue.length();
    found.in_hand = w.state.load(std::memory_order_relaxed) == worker_state::running ? 1 : 0;
    std::atomic_thread_fence(std::memory_order_acquire);  // pairs with run_queue::publish_counts
    if (was_busy || w.queue.is_busy()) continue;
    if (w.yields.load(std::memory_order_relaxed) == yields) return found;
  }
  ++found.in_hand;
  return found;
}

}  // namespace

runtime_stats runtime_core::stats() const noexcept {
  tsan_blind blind;
  for (;;) {
    const unsigned made = made_.load(std::memory_order_acquire);
    const runtime_stats s = stats_of_first(made);
    if (made_.load(std::memory_order_acquire) == made) return s;
  }
}

// `parked` is what is left over, so it must be too little rather than too much: what moves from one
// list to another meanwhile, or is in somebody's hands (which may carry a worker's whole queue), is in
// no count. But it has left a list by the end of this, and had not arrived in one at its beginning.
// One that is just being started is counted before it is in a list; until then its starter's queue is
// busy, or it is arriving. One that has ended since the first look has left its worker to another.
// A running worker has one in its hands; while one yields, two: look_at().
// Proved by: «what has not started is never counted as parked», «what another thread starts ...»,
// «who yields, starts or ends ...» in tests/conformance/runtime_stats.cpp.
runtime_stats runtime_core::stats_of_first(unsigned made) const noexcept {
  runtime_stats s;
  s.workers = worker_count();
  std::uint64_t arrived = arrived_global_.load(std::memory_order_acquire);
  for (unsigned i = 0; i < made; ++i) arrived += at(i)->queue.arrived();
  // Those that had to wait for a stack and have gone on, likewise.
  const std::uint64_t starved = ever_starved_.load(std::memory_order_acquire);
  const std::uint64_t waiting = starved_count_.load(std::memory_order_acquire);
  const std::uint64_t fed = starved > waiting ? starved - waiting : 0;
  const std::uint64_t ended = ended_so_far();
  s.goroutines = alive();
  std::size_t busy = arriving_.load(std::memory_order_acquire);
  for (unsigned i = 0; i < made; ++i) busy += at(i)->queue.is_busy() ? 1 : 0;
  s.spawned = spawned_outside_.load(std::memory_order_relaxed);
  s.runnable = global_count_.load(std::memory_order_relaxed);
  for (unsigned i = 0; i < made; ++i) {
    const worker* w = at(i);
    s.spawned += w->spawned.load(std::memory_order_relaxed);
    s.switches += w->moves.load(std::memory_order_relaxed);
    s.steals += w->steals.load(std::memory_order_relaxed);
    s.timers += w->wheel.size();
    const carried_by here = look_at(*w);
    s.runnable += here.queued;
    busy += here.in_hand;
  }
  s.wakeups = wakeups_.load(std::memory_order_relaxed);
  s.blocked_workers = stuck_.load(std::memory_order_relaxed);
  s.threads = threads_.load(std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_acquire);  // pairs with cut() and take_global()
  std::uint64_t left = left_global_.load(std::memory_order_relaxed);
  for (unsigned i = 0; i < made; ++i) left += at(i)->queue.left();
  const std::size_t carried = left > arrived ? left - arrived : 0;
  s.waited_for_stack = ever_starved_.load(std::memory_order_relaxed);
  s.waiting_for_stack = starved_count_.load(std::memory_order_relaxed);
  const std::size_t gone = ended_so_far() - ended;
  const std::size_t not_parked = s.runnable + busy + carried + gone + (s.waited_for_stack - fed);
  s.parked = s.goroutines > not_parked ? s.goroutines - not_parked : 0;
  s.stacks = stack_pool::total_stacks();
  s.unguarded_stacks = stack_pool::unguarded_stacks();
  return s;
}

}  // namespace weft::detail
