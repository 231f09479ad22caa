// A runtime: its workers, what they share, and how they sleep and wake.
//
// Who runs what. A goroutine that parks, yields or ends picks the next one from its worker's queue
// and switches to it directly. Only when that finds nothing does the worker's own stack (its home)
// search: global queue, timers, descriptors, other workers; then it sleeps.
//
// Sleeping. no_lost_wake: a sleeper stands in the idle list before it passes a heavy barrier and
//   looks at all queues once more; who pushes looks at the idle count after a light barrier. One of
//   them sees the other.
// one_searcher: a push wakes a sleeper only if nobody searches; who searches and gives up leaves
//   `searching` before that last look, and who finds something and was the last wakes the next.
// watcher: one idle worker sleeps in the poller, or with a time-out while others run, and takes
//   over what stands in the queue of a worker that has not moved. The monitor does the rest: a
//   worker that a goroutine keeps (a blocking call, a long computation) while work waits is
//   compensated by a stand-in thread until it moves again (src/sched/monitor.cpp, stand_in.cpp).
// How many. active_ workers take part: those that set_workers asks for (nominal_), and one for each
//   that is kept from taking part, stuck or pinned. Whoever finds more than that retires.
// pinned: a worker whose goroutine keeps its thread runs nothing else (src/sched/pinning.cpp).
//
// Memory of a core is never freed and its workers stay: a waker may push to a core that just ends.
// Proved by: tests/stress/, tests/unit/scheduler_test.cpp.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/futex.hpp"
#include "base/random.hpp"
#include "base/signal_mask.hpp"
#include "base/spin_lock.hpp"
#include "sched/goroutine.hpp"
#include "sched/poller.hpp"
#include "sched/run_queue.hpp"
#include "sched/seed_pool.hpp"
#include "sched/suspension.hpp"
#include "sched/timer_wheel.hpp"
#include "switch/floating_point.hpp"
#include "weft/runtime.hpp"

namespace weft::detail {

struct stack_trace;

// What runs on the other side of a switch, before anything else: it makes the goroutine that
// switched away visible to others (unlocks what it holds, requeues it, frees its stack). It reads
// what it needs first and lets go last: the goroutine may run, end and give its stack away then.
using commit_function = void (*)(worker* now_on, goroutine* from, void* argument);

enum class handle_state : std::uint32_t { none, starting, held };  // of worker::thread
// A worker's thread as others see it.
enum class worker_state : std::uint32_t { unstarted, running, idle, kept };  // kept: see pinning.cpp

struct alignas(64) worker {
  static constexpr std::uint32_t stack_cache = 64;
  static constexpr std::uint32_t picks_a_look = 61;  // a prime, as Go's

  // By the worker's own thread.
  goroutine* current = nullptr;  // null on its home stack
  runtime_core* core = nullptr;
  exception_globals* exceptions = nullptr;
  int* error_number = nullptr;
  saved_context home = nullptr;
  std::uint32_t stack_count = 0;
  std::uint32_t cold_stacks = 0;    // so many, the first ones, have no memory yet
  void* stacks[stack_cache];        // LIFO, the hottest last
  seed* to_bind = nullptr;          // for home to start
  seed_pool seeds;
  std::uint64_t next_id = 0;
  std::uint64_t end_id = 0;
  small_random random;
  bool searching = false;           // counted in core->searching_
  std::int64_t last_poll = 0;
  std::int64_t last_take_over = 0;
  unsigned index = 0;
  std::atomic<std::uint32_t> left{0};  // 1: its thread is at its end
#if WEFT_TSAN
  void* tsan_fibre = nullptr;
#endif
#if WEFT_FORCE_MIGRATION
  std::uint32_t refusals = 0;
  bool has_refused = false;
#endif
#if WEFT_ASAN
  void* asan_fake_stack = nullptr;
  const void* asan_bottom = nullptr;
  std::size_t asan_size = 0;
#endif

  // Picks until the next look around: clock, global queue, poller. The monitor may set it to 1; if
  // the owner overwrites that, the monitor comes again.
  std::atomic<std::uint32_t> until_look{1};
  // Written by the owner, read by all.
  std::atomic<std::uint64_t> moves{0};      // picks, so about switches; says whether it gets on
  std::atomic<std::uint64_t> yields{0};     // to others, see look_at() in core.cpp
  std::atomic<bool> claiming{false};        // see claim_from in park/park.hpp
  std::atomic<std::uint64_t> spawned{0};
  std::atomic<std::uint64_t> ended{0};
  std::atomic<std::uint64_t> steals{0};
  std::atomic<std::int64_t> coarse_now{0};  // a time that is not far behind

  run_queue queue;
  timer_wheel wheel;

  // Sleeping.
  alignas(64) std::atomic<std::uint32_t> signal{0};  // 1: somebody has chosen this worker to run
  std::atomic<bool> in_poller{false};
  std::atomic<bool> chosen_to_search{false};
  std::atomic<worker_state> state{worker_state::unstarted};
  worker* next_idle = nullptr;                       // guarded by core->idle_lock_
  bool retired = false;                              // a stand-in that is not needed; as above
  bool in_idle_list = false;                         // guarded by core->idle_lock_
  std::atomic<bool> stuck{false};                    // marked by the monitor, cleared by itself
  std::atomic<goroutine*> pinned{nullptr};           // the one that keeps it; by its own thread
  std::uint64_t seen_moves = 0;                      // by the monitor: the last it saw,
  std::int64_t seen_at = 0;                          // and when it first saw that
  std::uint64_t watched_moves = 0;                   // by the watcher
  std::thread thread;
  std::atomic<int> thread_id{0};    // the kernel's
  // handle_of_thread: who takes `held` away may touch `thread`. A thread may run and be at its end
  // before the one that started it has stored its handle, so it waits for that before it says so.
  std::atomic<handle_state> handle{handle_state::none};
};

class runtime_core {
 public:
  enum class phase : std::uint32_t { running, deciding, unwinding, stopped };

  runtime_core() = default;

  void start(const options&, std::unique_ptr<poller>);
  void submit(seed*);                      // from any thread
  void submit_here(worker* w, seed* s) {   // from a worker of this runtime, which runs the caller
    if (w->queue.push_new(s, w->spawned)) work_added();
  }
  void ready(goroutine*) noexcept;         // from any thread: a parked one whose claim was won
  // From a goroutine of worker w of this runtime: g runs next.
  void ready_next(worker* w, goroutine* g) noexcept {
    if (w->queue.push_next(g)) work_added();
  }
  void add_timer(timer_node&) noexcept;    // from any thread
  // Coroutines, from any thread; see suspended.cpp.
  void count_suspended(suspension&) noexcept;  // before its claim word opens
  void link_suspended(suspension&) noexcept;   // after that count, before the word opens
  enum class resume_order { soon, after_others };
  static void resume(suspension&, resume_order) noexcept;  // whose claim was won
  // By who destroys it. False: its wait was completed by somebody else.
  static bool withdraw(suspension&) noexcept;
  template <class Visit>
  void for_each_suspended(Visit visit) noexcept {  // under spin locks
    suspended_.for_each([&](const suspension& s) {
      visit(s);
      return false;
    });
  }
  void monitor_until(const std::atomic<bool>& done) noexcept;  // the monitor's loop, on its thread
  void wake_monitor() noexcept;
  // By who goes on after a rest, is kept no longer, or leaves something to others from outside.
  void wake_monitor_if_asleep() noexcept {
    full_fence();  // pairs with the monitor's: it sees what we have done, or we see it sleep
    if (monitor_sleeps_.load(std::memory_order_relaxed)) wake_monitor();
  }
  bool monitor_rests() const noexcept { return monitor_sleeps_.load(); }  // for tests
  void start_monitor();                    // on a thread of its own
  void stop_monitor() noexcept;
  void set_workers(unsigned);              // from any thread, 1 ... most_workers()
  void pin(worker*, goroutine* self);      // throws std::system_error: no thread is left
  void unpin(worker*, goroutine* self) noexcept;
  void yield_pinned(worker*) noexcept;

  // The end of a run. Called by the thread that owns the runtime.
  void begin_to_end() noexcept {
    rivals_.fetch_or(ending_bit, std::memory_order_seq_cst);
    phase_.store(phase::deciding, std::memory_order_seq_cst);
  }
  void decide_all_waits() noexcept;        // phase deciding: claims every parked goroutine, then
                                           // phase unwinding: readies them
  bool wait_until_empty(std::int64_t until) noexcept;
  bool stop_workers(std::int64_t until) noexcept;  // false: some thread is still out there
  // After that: what was submitted between the last look at alive() and the stop, linked by next.
  seed* leftover_seeds() noexcept;
  timer_node* leftover_timers() noexcept;  // after that: see timer_wheel::drain
  void let_go() noexcept;  // after that: closes descriptors, forgets the user's callbacks

  std::size_t alive() const noexcept;
  std::uint64_t ended_so_far() const noexcept;
  std::size_t unstarted() const noexcept;
  runtime_stats stats() const noexcept;
  phase current_phase() const noexcept { return phase_.load(std::memory_order_acquire); }
  bool is_ending() const noexcept { return phase_.load(std::memory_order_relaxed) != phase::running; }
  // Nothing unwinds, and no callable that never ran is destroyed, before all waits are decided.
  void wait_until_decided() const noexcept {
    for (backoff b; current_phase() == phase::deciding;) b.wait();
  }
  const options& settings() const noexcept { return options_; }
  unsigned worker_count() const noexcept { return nominal_.load(std::memory_order_relaxed); }
  unsigned most_workers() const noexcept { return most_workers_; }
  // Whether others than a wait's partners may claim it: the run ends, or a dump holds goroutines.
  // See claim_from.
  bool partners_compete() const noexcept { return rivals_.load(std::memory_order_relaxed) != 0; }
  // For a dump: from the call on until the second one no claim goes without a locked instruction.
  void hold_claims() noexcept;
  void release_claims() noexcept { rivals_.fetch_sub(1, std::memory_order_seq_cst); }
  poller* descriptors() noexcept { return poller_.get(); }
  stack_pool& stacks() noexcept { return *stack_pool_; }
  // What a goroutine begins with: that of the thread which started the runtime.
  const floating_control& floating() const noexcept { return floating_; }
  // What goroutines do happens before the end of their run; for TSan.
  void* order_of_ends() noexcept { return &order_of_ends_; }
  // For a dump; see inspect.cpp. The first: of a parked goroutine that is held by its word, or of a
  // runnable one that is out of its queue. False: there is no room on its stack.
  bool trace_held(goroutine*, stack_trace&) noexcept;
  void visit_runnable(void (*visit)(goroutine*, void*), void* argument) noexcept;
  bool runs(const goroutine*) const noexcept;  // now; it may be over by the return
  // Nothing runs and nothing in here can make anything run.
  bool is_quiescent() const noexcept;

  // Set by src/runtime before start.
  bool (*on_deadlock)(runtime_core&) = nullptr;  // by the watcher; true: main was woken
  std::atomic<goroutine*> main_goroutine{nullptr};
  std::atomic<std::uint32_t> outside_activities{0};  // blocking calls that are out
  runtime_core* next_core = nullptr;                 // in the list of all, see runtime.cpp
  bool in_use = false;

  // For the switching code below.
  // Also with locks held: does nothing that calls back.
  template <bool Yields = false>
  WEFT_SWITCHING runnable pick(worker* w) noexcept {
    w->moves.store(w->moves.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    const std::uint32_t left = w->until_look.load(std::memory_order_relaxed) - 1;
    w->until_look.store(left, std::memory_order_relaxed);
    if (left == 0) [[unlikely]] return {};  // home looks around
#if WEFT_FORCE_MIGRATION
    return pick_moved(w, Yields);
#else
    return Yields ? w->queue.pick_to_yield() : w->queue.pick();
#endif
  }
  goroutine* bind(worker*, seed*) noexcept;
  goroutine* bind_if_quick(worker*, seed*) noexcept;
  void free_stack(worker*, goroutine*) noexcept;
  void rebirth(worker*, goroutine*, seed*) noexcept;
  void work_added() noexcept {
    light_barrier();  // pairs with heavy_barrier in sleep()
    if (idle_count_.load(std::memory_order_relaxed) == 0) return;
    if (searching_.load(std::memory_order_relaxed) != 0) return;
    wake_searcher();
  }
  void note_end(worker*) noexcept;

#if WEFT_FORCE_MIGRATION
  // See migration.cpp.
  bool must_move(const worker*, const runnable&) const noexcept;
  void move_away(goroutine*) noexcept;
  runnable pick_moved(worker*, bool yields) noexcept;
  goroutine* take_moved_locked(worker*) noexcept;
  void nap_if_refused(worker*) noexcept;
#endif

 private:
  friend void run_worker(worker*);
  runnable find_work(worker*) noexcept;
  runnable look_around(worker*) noexcept;
  runnable take_global(worker*) noexcept;
  void run_timers(worker*, std::int64_t now) noexcept;
  bool steal_into(worker*) noexcept;
  bool take_over_kept(worker*) noexcept;
  static bool is_kept(const worker* w) noexcept {
    return w->stuck.load(std::memory_order_acquire) ||
           w->pinned.load(std::memory_order_relaxed) != nullptr;
  }
  void sleep(worker*) noexcept;
  bool anything_to_take(worker*) noexcept;
  void stop_searching(worker*, bool found) noexcept;
  void wake_searcher() noexcept;
  bool wake_worker(worker*, bool to_search) noexcept;  // false: its thread was refused
  void push_idle(worker*) noexcept;
  bool remove_idle(worker*) noexcept;
  worker* pop_idle() noexcept;
  worker* pop_sleeper(bool also_first) noexcept;
  void call_watch() noexcept;
  bool start_thread(worker*) noexcept;
  bool take_handle(worker*) noexcept;  // false: there is none, or another has taken it
  void push_global(goroutine*, seed*) noexcept;
  runtime_stats stats_of_first(unsigned made) const noexcept;
  void publish_global_locked() noexcept;
  // Around publish_global_locked, like run_queue::left and arrived.
  void note_left_global_locked(std::uint64_t) noexcept;
  void note_arrived_global_locked(std::uint64_t) noexcept;
  void give_up_everything(worker*) noexcept;
  // How many are to take part.
  unsigned needed() const noexcept {
    return nominal_.load(std::memory_order_seq_cst) + kept() +
           extra_.load(std::memory_order_relaxed);
  }
  bool is_surplus() const noexcept {
    return active_.load(std::memory_order_relaxed) > needed();
  }
  // Workers that are kept from running what stands in queues.
  unsigned kept() const noexcept {
    return stuck_.load(std::memory_order_seq_cst) + pinned_.load(std::memory_order_seq_cst);
  }
  bool mark_stuck(worker*) noexcept;
  void clear_stuck(worker* w) noexcept {
    // After the state, in one order with mark_stuck, which looks at the state after the mark.
    if (!w->stuck.load(std::memory_order_seq_cst) || !w->stuck.exchange(false)) return;
    stuck_.fetch_sub(1);
    wake_monitor_if_asleep();
  }
  bool too_few() const noexcept { return active_.load(std::memory_order_seq_cst) < needed(); }
  bool leave_active() noexcept;
  bool return_if_needed(worker*) noexcept;
  void push_retired(worker*) noexcept;
  worker* pop_retired() noexcept;
  bool retire_if_surplus(worker*) noexcept;
  void retire_idle() noexcept;
  enum class outlook { busy, quiet };
  outlook monitor_once(std::int64_t now) noexcept;
  void compensate(std::size_t waiting) noexcept;
  std::int64_t quiet_until() noexcept;
  enum class stand_in { added, no_room, refused };
  stand_in add_stand_in() noexcept;
  void give_away(worker*) noexcept;
  bool expire_for_others(worker*, std::int64_t now) noexcept;
  runnable wait_for_pinned(worker*) noexcept;
  void poke_pinned(worker*) noexcept;
  void wait_for_claimers() noexcept;
  void hand_over_watch() noexcept;
  // Goroutines without a stack; see starved.cpp.
  bool refill_stacks(worker*) noexcept;  // false: there is none to be had
  void give_back_stacks(worker*) noexcept;
  void give_back_all_stacks(worker*) noexcept;
  void starve(seed*) noexcept;
  bool feed_starved(worker*) noexcept;   // true: one is in the worker's queue
  bool may_ask_for_stacks(std::int64_t now) const noexcept {
    return now >= ask_for_stacks_at_.load(std::memory_order_relaxed);
  }
  bool all_idle() const noexcept;
  worker* at(unsigned i) const noexcept {
    return workers_.load(std::memory_order_acquire)[i].load(std::memory_order_acquire);
  }
  // Workers that could be idle.
  unsigned worker_target() const noexcept {
    return active_.load(std::memory_order_relaxed) - refused_.load(std::memory_order_relaxed);
  }
  void claim_parked(claim_value, wake_list&) noexcept;
  std::size_t claim_suspended() noexcept;  // how many the end of the run has claimed
  void resume_claimed() noexcept;
  worker* make_worker(unsigned index);
  template <class Visit>
  void for_each_goroutine(Visit visit) noexcept;

  options options_;
  std::atomic<unsigned> nominal_{0};
  stack_pool* stack_pool_ = nullptr;
  floating_control floating_;
  sigset_t signal_mask_;  // of its workers
  std::unique_ptr<poller> poller_;
  std::atomic<phase> phase_{phase::stopped};
  std::uint64_t first_seed_ = 0;

  // Guards making workers, and who may: nobody once the run has stopped.
  std::mutex grow_lock_;
  // Workers by index. The array never moves.
  std::vector<std::unique_ptr<worker>> storage_;
  std::atomic<std::atomic<worker*>*> workers_{nullptr};
  std::vector<std::unique_ptr<std::atomic<worker*>[]>> arrays_;  // outgrown ones may be in use
  unsigned room_ = 0;          // of workers_
  unsigned most_workers_ = 0;  // of this run
  std::atomic<unsigned> made_{0};

  alignas(64) spin_lock global_lock_;
  goroutine_list global_woken_;
  seed_list global_fresh_;
  std::atomic<std::uint32_t> global_count_{0};
  std::atomic<std::uint32_t> global_fresh_count_{0};
  std::atomic<std::uint64_t> left_global_{0};     // as run_queue::left; written under the lock
  std::atomic<std::uint64_t> arrived_global_{0};  // as run_queue::arrived
  std::atomic<std::uint32_t> arriving_{0};        // from before spawned_outside_ until it is pushed
  std::atomic<std::uint64_t> spawned_outside_{0};
  std::atomic<std::uint64_t> ended_outside_{0};
  seed_list starved_;  // had no stack to run on
  std::atomic<std::uint32_t> starved_count_{0};
  std::atomic<std::uint64_t> ever_starved_{0};
  std::atomic<std::int64_t> ask_for_stacks_at_{0};  // the system refused, and is asked again then

  suspended_list suspended_;

  alignas(64) spin_lock idle_lock_;
  worker* idle_ = nullptr;
  std::atomic<unsigned> idle_count_{0};   // in the list, unstarted ones included
  std::atomic<unsigned> searching_{0};
  std::atomic<std::uint64_t> wakeups_{0};  // for stats()
  std::atomic<worker*> watcher_{nullptr};
  std::atomic<bool> deep_watch_{false};         // the watcher sleeps until somebody wakes it
  std::atomic<std::int64_t> watch_called_{0};   // when call_watch last woke somebody
  std::atomic<unsigned> stuck_{0};        // workers marked stuck
  std::atomic<unsigned> pinned_{0};       // workers that a pinned goroutine keeps
  std::atomic<unsigned> extra_{0};        // more stand-ins than kept workers; by the monitor
  std::atomic<unsigned> active_{0};       // workers made and not retired
  std::atomic<unsigned> resting_{0};      // idle_count_, and those whose pinned goroutine waits
  std::atomic<std::uint32_t> rivals_{0};  // dumps that hold goroutines, and ending_bit
  static constexpr std::uint32_t ending_bit = 0x80000000;
  worker* retired_ = nullptr;             // guarded by idle_lock_
  std::atomic<unsigned> refused_{0};      // workers whose thread the system refused
  std::atomic<unsigned> threads_{0};
  std::atomic<bool> told_bound_{false};
  std::atomic<bool> told_refused_{false};

  run_queue::bell_word monitor_word_;
  std::atomic<bool> monitor_sleeps_{false};
  unsigned hurry_ = 0;  // looks left at the short period; by the monitor
  std::thread monitor_;
  std::atomic<bool> monitor_ends_{false};
  // Threads that are not ours and are inside, from before what they push can be seen: the end of
  // the run waits for them.
  std::atomic<std::uint32_t> visitors_{0};
  // Work that is in no queue, in the hands of a worker that counts as idle.
  std::atomic<std::uint32_t> in_hand_{0};
  spin_lock kept_lock_;
  goroutine* kept_stacks_ = nullptr;        // of goroutines that ended while the run ends
  char order_of_ends_ = 0;
  std::atomic<std::uint32_t> end_word_{0};  // counts ends of goroutines once the run ends
};

// Goroutines end here: implemented by src/runtime.
void handle_uncaught(goroutine*, runtime_core&) noexcept;  // in a catch block
void forget_name(goroutine*) noexcept;
void note_stack_use(runtime_core&, goroutine* self) noexcept;  // with options::measure_stacks

// Threads of weft's own, and those that wait in run(), for telling whether there are others: the
// number, and in the upper half how often it has changed. Each counts itself, from after its start
// to before its end, so that never more are counted than exist.
extern std::atomic<std::uint64_t> own_threads;
inline void count_own_thread() noexcept { own_threads.fetch_add((std::uint64_t{1} << 32) + 1); }
inline void uncount_own_thread() noexcept { own_threads.fetch_add((std::uint64_t{1} << 32) - 1); }

// Times that a worker of any runtime went on after it had rested. While it stands still and all
// runtimes are quiescent before and after, nothing of weft's has run: no goroutine has started a
// thread, either.
extern std::atomic<std::uint64_t> departures;

// A time that is at most some milliseconds behind, without reading the clock.
inline std::int64_t coarse_time(const worker* w) noexcept {
  return w->coarse_now.load(std::memory_order_relaxed);
}

}  // namespace weft::detail
