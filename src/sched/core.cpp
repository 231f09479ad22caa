#include "sched/core.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <new>
#include <system_error>

#include <sys/mman.h>

namespace weft::detail {

std::atomic<unsigned> weft_threads{0};

saved_context make_goroutine_context(goroutine*, std::size_t stack_bytes) noexcept;
void switch_from_home(worker*, goroutine* to) noexcept;
void run_worker(worker*);

namespace {

constexpr std::int64_t microsecond = 1'000;
constexpr std::int64_t millisecond = 1'000'000;
constexpr std::int64_t shortest_watch = 50 * microsecond;
constexpr std::int64_t longest_watch = 5 * millisecond;
constexpr std::int64_t monitor_period = 10 * millisecond;
constexpr std::int64_t hurried_period = 2 * millisecond;     // while more and more get stuck
constexpr unsigned quiet_periods = 10;                      // before the monitor sleeps
constexpr std::int64_t foreign_look = 250 * millisecond;    // for threads that are not ours
constexpr std::int64_t busy_poll_period = 100 * microsecond;
constexpr std::int64_t stand_in_stays = 1'000 * millisecond;
constexpr std::uint64_t id_block = 1 << 12;

std::atomic<std::uint64_t> ids_given{1};

void bump(std::atomic<std::uint64_t>& owned) noexcept {
  owned.store(owned.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

}  // namespace

// ---- Starting ------------------------------------------------------------------------------

void runtime_core::start(const options& o, std::unique_ptr<poller> p) {
  tsan_blind blind;
  options_ = o;
  poller_ = std::move(p);
  nominal_ = o.workers;
  stack_pool_ = &stack_pool::of_size(o.stack_size);
  first_seed_ = o.seed;
  most_workers_ = std::max(o.max_threads, nominal_);
  if (most_workers_ > room_) {
    auto array = std::make_unique<std::atomic<worker*>[]>(most_workers_);
    for (unsigned i = 0; i < storage_.size(); ++i) array[i] = storage_[i].get();
    storage_.reserve(most_workers_);
    workers_.store(array.get(), std::memory_order_release);  // pairs with at()
    arrays_.push_back(std::move(array));
    room_ = most_workers_;
  }
  searching_ = 0;
  watcher_ = nullptr;
  stuck_ = 0;
  extra_ = 0;
  refused_ = 0;
  idle_ = retired_ = nullptr;
  idle_count_ = 0;
  spawned_outside_ = 0;
  main_goroutine = nullptr;
  monitor_sleeps_ = false;
  made_ = 0;
  while (made_ < nominal_) make_worker(made_);
  phase_.store(phase::running, std::memory_order_release);
  // Worker 0 comes first out of the idle list; the others' threads start with the work.
  for (unsigned i = nominal_; i-- > 1;) push_idle(at(i));
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
  w->extra = index >= nominal_;
  w->random.set(first_seed_ + index);
  w->until_look.store(worker::picks_a_look, std::memory_order_relaxed);
  w->searching = false;
  w->retired = false;
  w->moves = w->spawned = w->ended = w->steals = 0;
  w->signal = 0;
  w->stuck = false;
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
  weft_threads.fetch_add(1, std::memory_order_relaxed);
  try {
    w->thread = std::thread(&run_worker, w);
    return true;
  } catch (...) {
    threads_.fetch_sub(1, std::memory_order_relaxed);
    weft_threads.fetch_sub(1, std::memory_order_relaxed);
    w->state.store(worker_state::unstarted, std::memory_order_relaxed);
    w->left.store(1, std::memory_order_relaxed);
    if (!told_bound_.exchange(true)) {
      std::fputs("weft: the system refuses another thread; going on with fewer\n", stderr);
    }
    return false;
  }
}

void run_worker(worker* w) {
  runtime_core& core = *w->core;
  tsan_blind blind;
  set_current_worker(w);
  w->exceptions = thread_exception_globals();
  w->error_number = thread_errno();
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
    if (w->until_look.load(std::memory_order_relaxed) != 0) next = core.pick(w);
    if (!next && w->until_look.load(std::memory_order_relaxed) == 0) next = core.look_around(w);
    if (!next) next = core.find_work(w);
    if (!next) break;
    goroutine* to = next.fresh != nullptr ? core.bind(w, next.fresh) : next.started;
    if (to != nullptr) {
      switch_from_home(w, to);
    } else {
      const timespec a_moment{0, 1'000'000};  // no memory for a stack: others may give one back
      nanosleep(&a_moment, nullptr);
    }
  }
  core.give_up_everything(w);
  // A stand-in that is not needed any more goes alone; the others are joined at the end of the run.
  if (w->state.load(std::memory_order_relaxed) == worker_state::unstarted) w->thread.detach();
  set_current_worker(nullptr);
  core.threads_.fetch_sub(1, std::memory_order_relaxed);
  weft_threads.fetch_sub(1, std::memory_order_relaxed);
  w->left.store(1, std::memory_order_release);
  futex_wake(&w->left);
}

void runtime_core::give_up_everything(worker* w) noexcept {
  for (std::uint32_t i = 0; i < w->stack_count;) {
    const std::uint32_t n = std::min(w->stack_count - i, std::uint32_t{32});
    stack_pool_->give_back(w->stacks + i, n);
    i += n;
  }
  w->stack_count = 0;
  w->seeds.give_all_back();
}

// ---- Goroutines and their stacks -----------------------------------------------------------

goroutine* runtime_core::bind(worker* w, seed* s) noexcept {
  if (w->stack_count == 0) [[unlikely]] {
    w->stack_count = static_cast<std::uint32_t>(stack_pool_->take(w->stacks, 16));
    // Newest last: neighbours are taken in the order of their addresses.
    std::reverse(w->stacks, w->stacks + w->stack_count);
    if (w->stack_count == 0) {
      static std::atomic<bool> told{false};
      if (!told.exchange(true)) {
        std::fputs("weft: no memory for another stack; new goroutines wait until one ends\n", stderr);
      }
      std::lock_guard guard(global_lock_);
      starved_.push_newest(s);
      starved_count_.fetch_add(1, std::memory_order_relaxed);
      return nullptr;
    }
  }
  void* block = w->stacks[--w->stack_count];
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
  g->context = make_goroutine_context(g, bytes - control_block_size);
  g->core.store(this, std::memory_order_relaxed);
  g->exit_guards = 0;
  g->has_saved_exceptions = false;
  g->name = nullptr;
  g->wait.kind = waiter_kind::goroutine;
  rebirth(w, g, s);
  return g;
}

// The same stack, another goroutine.
void runtime_core::rebirth(worker* w, goroutine* g, seed* s) noexcept {
  g->birth = s;
  g->is_internal = s->internal;
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
    stack_pool_->give_back(w->stacks, half);
    std::memmove(w->stacks, w->stacks + half, half * sizeof(void*));
    w->stack_count = half;
  }
  w->stacks[w->stack_count++] = g;
  if (starved_count_.load(std::memory_order_relaxed) != 0) [[unlikely]] feed_starved(w);
}

// A seed that had no stack gets another try.
bool runtime_core::feed_starved(worker* w) noexcept {
  seed* s = nullptr;
  {
    std::lock_guard guard(global_lock_);
    s = starved_.pop_oldest();
    if (s != nullptr) starved_count_.fetch_sub(1, std::memory_order_relaxed);
  }
  if (s != nullptr) w->queue.push_fresh(s);
  return s != nullptr;
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
    spawned_outside_.fetch_add(1, std::memory_order_relaxed);
    push_global(nullptr, s);
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
  visitors_.fetch_sub(1, std::memory_order_seq_cst);
}

void runtime_core::publish_global_locked() noexcept {
  global_count_.store(global_woken_.count + global_fresh_.count, std::memory_order_relaxed);
  global_fresh_count_.store(global_fresh_.count, std::memory_order_relaxed);
}

runnable runtime_core::take_global(worker* w) noexcept {
  if (global_count_.load(std::memory_order_relaxed) == 0) return {};
  loot part;
  {
    std::lock_guard guard(global_lock_);
    // A fair share, so that the others find some, too.
    const std::uint32_t share = nominal_;
    part.woken = global_woken_.cut(std::min(global_woken_.count / share + 1, 64u));
    if (part.woken.count == 0) {
      part.fresh = global_fresh_.cut(std::min(global_fresh_.count / share + 1, 512u));
    }
    publish_global_locked();
  }
  runnable r;
  r.started = part.woken.pop_front();
  if (r.started == nullptr) r.fresh = part.fresh.pop_oldest();
  if (!part.empty()) w->queue.push_loot(part);
  return r;
}

void runtime_core::add_timer(timer_node& node) noexcept {
  tsan_blind blind;
  worker* w = current_worker();
  if (w != nullptr && w->core == this) {
    w->wheel.add(node);  // this worker looks before it sleeps
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
      }
    }
  }
  visitors_.fetch_sub(1, std::memory_order_seq_cst);
}

// ---- Picking -------------------------------------------------------------------------------

runnable runtime_core::look_around(worker* w) noexcept {
  w->until_look.store(worker::picks_a_look, std::memory_order_relaxed);
  if (phase_.load(std::memory_order_relaxed) == phase::stopped) return {};
  const std::int64_t now = steady_now();
  w->coarse_now.store(now, std::memory_order_relaxed);
  if (w->stuck.load(std::memory_order_relaxed) && w->stuck.exchange(false)) stuck_.fetch_sub(1);
  if (w->extra && extra_.load(std::memory_order_relaxed) > stuck_.load(std::memory_order_relaxed)) {
    return {};  // find_work retires it
  }
  run_timers(w, now);
  // Who is never idle never searches: what stands behind a stuck worker is looked for here, too.
  if (stuck_.load(std::memory_order_relaxed) != 0) take_over_stuck(w);
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
    if (w->stuck.load(std::memory_order_relaxed) && w->stuck.exchange(false)) stuck_.fetch_sub(1);
    if (w->extra && retire_if_surplus(w)) {
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
          if (steal_into(w, false)) r = w->queue.pick();
          if (!r) r = take_global(w);
        }
      }
      if (!r && starved_count_.load(std::memory_order_relaxed) != 0 && feed_starved(w)) {
        r = w->queue.pick();
      }
      if (!r && stuck_.load(std::memory_order_relaxed) != 0 && take_over_stuck(w)) {
        r = w->queue.pick();
      }
    }
    if (r) {
      stop_searching(w, true);
      return r;
    }
    sleep(w);
  }
}

bool runtime_core::steal_into(worker* w, bool by_force) noexcept {
  const unsigned n = made_.load(std::memory_order_acquire);
  if (n < 2) return false;
  unsigned from = w->random.below(n);
  for (unsigned i = 0; i < n; ++i, from = from + 1 == n ? 0 : from + 1) {
    worker* victim = at(from);
    if (victim == w) continue;
    loot l;
    if (by_force ? victim->queue.take_by_force(l) : victim->queue.steal(l)) {
      bump(w->steals);
      w->queue.push_loot(l);
      return true;
    }
  }
  return false;
}

// Everything that a worker owns which the monitor found not to move.
bool runtime_core::take_over_stuck(worker* w) noexcept {
  const unsigned n = made_.load(std::memory_order_acquire);
  const std::int64_t now = steady_now();
  for (unsigned i = 0; i < n; ++i) {
    worker* victim = at(i);
    if (victim == w || !victim->stuck.load(std::memory_order_acquire)) continue;
    if (victim->wheel.next_due() <= now) victim->wheel.expire(now);  // onto this worker's queue
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
}

worker* runtime_core::pop_idle() noexcept {
  std::lock_guard guard(idle_lock_);
  worker* w = idle_;
  if (w == nullptr) return nullptr;
  idle_ = w->next_idle;
  w->in_idle_list = false;
  idle_count_.fetch_sub(1, std::memory_order_seq_cst);
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
  return true;
}

void runtime_core::wake_searcher() noexcept {
  unsigned none = 0;
  if (!searching_.compare_exchange_strong(none, 1, std::memory_order_seq_cst)) return;
  worker* w = pop_idle();
  if (w == nullptr) {
    searching_.fetch_sub(1, std::memory_order_seq_cst);
    return;
  }
  // Out of the list for good then: its thread would be refused again.
  if (!wake_worker(w, true)) refused_.fetch_add(1, std::memory_order_seq_cst);
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
  w->signal.store(1, std::memory_order_seq_cst);  // against in_poller in sleep()
  if (w->in_poller.load(std::memory_order_seq_cst)) {
    poller_->interrupt();
  } else {
    futex_wake(&w->signal);
  }
  return true;
}

// Returns when there may be something to do.
bool runtime_core::sleep(worker* w) noexcept {
  w->signal.store(0, std::memory_order_relaxed);
  w->state.store(worker_state::idle, std::memory_order_seq_cst);
  push_idle(w);
  if (w->searching) {
    w->searching = false;
    searching_.fetch_sub(1, std::memory_order_seq_cst);
  }
  if (w->stuck.load(std::memory_order_seq_cst) && w->stuck.exchange(false)) stuck_.fetch_sub(1);
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
  } else {
    worker* nobody = nullptr;
    const bool watch = watcher_.compare_exchange_strong(nobody, w, std::memory_order_seq_cst);
    std::int64_t interval = shortest_watch;
    for (;;) {
      std::int64_t now = steady_now();
      w->coarse_now.store(now, std::memory_order_relaxed);
      std::int64_t until = w->wheel.next_due();
      if (watch) {
        const unsigned all = worker_target();
        const unsigned resting = idle_count_.load(std::memory_order_seq_cst) +
                                 stuck_.load(std::memory_order_relaxed);
        if (resting < all) until = std::min(until, now + interval);
        if (stuck_.load(std::memory_order_relaxed) != 0) {
          for (unsigned i = 0; i < made_.load(std::memory_order_acquire); ++i) {
            const worker* other = at(i);
            if (other->stuck.load(std::memory_order_relaxed)) {
              until = std::min(until, other->wheel.next_due());
            }
          }
        }
        if (on_deadlock != nullptr) {
          // Who goes to sleep last need not be the one that watches, and a thread that is not ours
          // may end: so it looks again every now and then.
          if (is_quiescent() && on_deadlock(*this)) break;  // main stands in this queue now
          until = std::min(until, now + foreign_look);
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
      if (take_over_stuck(w)) break;
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
        if (other->wheel.next_due() < now - millisecond) other->wheel.expire(now);
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
  full_fence();  // pairs with the monitor's: it sees us awake, or we see it sleep
  if (monitor_sleeps_.load(std::memory_order_relaxed)) wake_monitor();
  // Several came at once: somebody may help.
  if (w->queue.has_spare()) work_added();
  return chosen;
}

bool runtime_core::all_idle() const noexcept {
  return idle_count_.load(std::memory_order_seq_cst) == worker_target();
}

bool runtime_core::is_quiescent() const noexcept {
  if (phase_.load(std::memory_order_acquire) != phase::running) return false;
  if (in_hand_.load(std::memory_order_seq_cst) != 0 || starved_count_.load() != 0) return false;
  if (!all_idle() || searching_.load(std::memory_order_relaxed) != 0) return false;
  if (global_count_.load(std::memory_order_acquire) != 0) return false;
  if (poller_->waiting() != 0 || outside_activities.load(std::memory_order_acquire) != 0) return false;
  for (unsigned i = 0; i < made_.load(std::memory_order_acquire); ++i) {
    const worker* w = at(i);
    if (w->queue.has_any() || w->wheel.size() != 0) return false;
  }
  // In this order: who has work in hand publishes it, and wakes who takes it, before it lets go.
  return in_hand_.load(std::memory_order_seq_cst) == 0 && all_idle() &&
         global_count_.load(std::memory_order_acquire) == 0;
}

// ---- Stand-ins and the monitor -------------------------------------------------------------

// A stand-in that is not needed any more gives its work away and waits, looking after its timers.
bool runtime_core::retire_if_surplus(worker* w) noexcept {
  unsigned extra = extra_.load(std::memory_order_relaxed);
  in_hand_.fetch_add(1, std::memory_order_seq_cst);  // until its work is in the global queue
  do {
    if (extra <= stuck_.load(std::memory_order_relaxed)) {
      in_hand_.fetch_sub(1, std::memory_order_seq_cst);
      return false;
    }
  } while (!extra_.compare_exchange_weak(extra, extra - 1, std::memory_order_seq_cst));
  const bool searched = w->searching;
  stop_searching(w, false);
  w->signal.store(0, std::memory_order_relaxed);
  w->state.store(worker_state::idle, std::memory_order_relaxed);
  {
    std::lock_guard guard(idle_lock_);
    w->next_idle = retired_;
    retired_ = w;
    w->retired = true;
  }
  const auto give_away = [&] {
    loot l = w->queue.take_all();
    if (l.empty()) return;
    {
      std::lock_guard guard(global_lock_);
      global_woken_.append(l.woken);
      global_fresh_.append_older(l.fresh);
      publish_global_locked();
    }
    full_fence();
    work_added();
  };
  give_away();
  if (searched) {
    // one_searcher: who gives up looks once more, since pushes have relied on it.
    full_fence();
    if (anything_to_take(nullptr)) wake_searcher();
  }
  in_hand_.fetch_sub(1, std::memory_order_seq_cst);
  const std::int64_t leaves_at = steady_now() + stand_in_stays;
  for (;;) {
    const std::int64_t now = steady_now();
    if (w->wheel.next_due() <= now) {
      in_hand_.fetch_add(1, std::memory_order_seq_cst);
      w->wheel.expire(now);
      give_away();
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

void runtime_core::add_stand_in() noexcept {
  worker* w = nullptr;
  {
    std::lock_guard guard(idle_lock_);
    w = retired_;
    if (w != nullptr) {
      retired_ = w->next_idle;
      w->retired = false;
    }
  }
  if (w == nullptr) {
    const unsigned index = made_.load(std::memory_order_relaxed);
    if (index >= most_workers_) {
      if (!told_bound_.exchange(true)) {
        std::fprintf(stderr,
                     "weft: all %u threads are kept by goroutines that block or compute; others "
                     "wait. Raise options.max_threads, or let blocking calls run elsewhere.\n",
                     most_workers_);
      }
      return;
    }
    try {
      w = make_worker(index);
    } catch (const std::bad_alloc&) {
      return;
    }
  }
  extra_.fetch_add(1, std::memory_order_seq_cst);
  if (wake_worker(w, false)) return;
  extra_.fetch_sub(1, std::memory_order_seq_cst);
  std::lock_guard guard(idle_lock_);
  w->next_idle = retired_;
  retired_ = w;
  w->retired = true;
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
    if (!w->stuck.load(std::memory_order_relaxed)) {
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
  if (!waits || stuck_.load(std::memory_order_relaxed) == 0) return;
  if (idle_count_.load(std::memory_order_relaxed) != 0) {
    wake_searcher();
  } else if (extra_.load(std::memory_order_relaxed) < stuck_.load(std::memory_order_relaxed)) {
    add_stand_in();
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
  weft_threads.fetch_add(1, std::memory_order_relaxed);
  try {
    monitor_ = std::thread([this] { monitor_until(monitor_ends_); });
  } catch (...) {
    weft_threads.fetch_sub(1, std::memory_order_relaxed);
    throw;
  }
}

void runtime_core::stop_monitor() noexcept {
  monitor_ends_.store(true, std::memory_order_seq_cst);
  wake_monitor();
  monitor_.join();
  weft_threads.fetch_sub(1, std::memory_order_relaxed);
}

// ---- The end of a run ----------------------------------------------------------------------

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

void runtime_core::decide_all_waits() noexcept {
  tsan_blind blind;
  phase_.store(phase::deciding, std::memory_order_seq_cst);
  heavy_barrier();  // pairs with light_barrier in claim_from()
  for (unsigned i = 0; i < made_.load(std::memory_order_acquire); ++i) {
    worker* w = at(i);
    for (backoff b; w->claiming.load(std::memory_order_acquire);) b.wait();
  }
  wake_list claimed;
  claim_parked(claim_exit, claimed);
  phase_.store(phase::unwinding, std::memory_order_seq_cst);
  claimed.wake_all();
}

bool runtime_core::wait_until_empty(std::int64_t until) noexcept {
  tsan_blind blind;
  std::int64_t next_look = steady_now() + monitor_period;
  std::int64_t pause = millisecond / 2;
  for (;;) {
    const std::uint32_t word = end_word_.load(std::memory_order_acquire);
    if (alive() == 0) return true;
    // Those that were on their way to a wait when the run ended.
    wake_list claimed;
    claim_parked(claim_exit, claimed);
    claimed.wake_all();
    const std::int64_t now = steady_now();
    if (now >= until) return false;
    if (now >= next_look) {
      monitor_once(now);
      next_look = now + monitor_period;
    }
    // Each look goes over every stack: less and less often.
    futex_wait(end_word_, word, std::min(now + pause, until));
    pause = std::min(2 * pause, monitor_period);
  }
}

bool runtime_core::stop_workers(std::int64_t until) noexcept {
  tsan_blind blind;
  phase_.store(phase::stopped, std::memory_order_seq_cst);
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
      futex_wait(w->left, 0, std::min(steady_now() + millisecond, until));
    }
    // Only a thread that has left its std::thread alone for good has said so.
    const bool gone = w->left.load(std::memory_order_acquire) != 0;
    if (w->thread.joinable()) gone ? w->thread.join() : w->thread.detach();
    clean &= gone;
  }
  return clean;
}

void runtime_core::let_go() noexcept {
  while (kept_stacks_ != nullptr) {
    void* block = kept_stacks_;
    kept_stacks_ = kept_stacks_->next;
    stack_pool_->give_back(&block, 1);
  }
  poller_.reset();
  on_deadlock = nullptr;
  options_.on_uncaught = nullptr;
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

// ---- Looking in ----------------------------------------------------------------------------

std::size_t runtime_core::alive() const noexcept {
  // Ends first: what ends meanwhile is counted as alive, and nothing as ended that had not begun.
  std::uint64_t ended = 0;
  std::uint64_t spawned = 0;
  const unsigned n = made_.load(std::memory_order_acquire);
  for (unsigned i = 0; i < n; ++i) {
    ended += at(i)->ended.load(std::memory_order_acquire);
  }
  spawned = spawned_outside_.load(std::memory_order_acquire);
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

runtime_stats runtime_core::stats() const noexcept {
  tsan_blind blind;
  runtime_stats s;
  s.workers = nominal_;
  s.goroutines = alive();
  std::size_t busy = 0;
  s.spawned = spawned_outside_.load(std::memory_order_relaxed);
  s.runnable = global_count_.load(std::memory_order_relaxed);
  for (unsigned i = 0; i < made_.load(std::memory_order_acquire); ++i) {
    const worker* w = at(i);
    s.spawned += w->spawned.load(std::memory_order_relaxed);
    s.switches += w->moves.load(std::memory_order_relaxed);
    s.steals += w->steals.load(std::memory_order_relaxed);
    s.timers += w->wheel.size();
    s.runnable += w->queue.length();
    if (w->state.load(std::memory_order_relaxed) == worker_state::running) ++busy;
  }
  s.blocked_workers = stuck_.load(std::memory_order_relaxed);
  s.threads = threads_.load(std::memory_order_relaxed);
  const std::size_t not_parked = s.runnable + busy;
  s.parked = s.goroutines > not_parked ? s.goroutines - not_parked : 0;
  s.stacks = stack_pool::total_stacks();
  s.unguarded_stacks = stack_pool::unguarded_stacks();
  return s;
}

}  // namespace weft::detail
