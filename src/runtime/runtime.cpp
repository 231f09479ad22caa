// Starting and ending runtimes: options, run(), the default runtime, the registry of cores.
//
// A run's end: the phase goes to deciding, and every parked goroutine is claimed; then to
// unwinding, and they are woken with goroutine_exit. Seeds that are still in queues are picked up
// by the workers and discarded on a stack of their own, since destructors may wait. When nothing is
// alive the workers stop, and the core goes back to the registry for the next run; a core that had
// to leave something behind is never used again.
#include "runtime/runtime.hpp"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <random>
#include <stdexcept>
#include <thread>

#include "io/epoll_poller.hpp"
#include "park/park.hpp"
#include "sched/locals.hpp"
#include "time/timer.hpp"
#include "weft/go.hpp"

namespace weft {
namespace detail {

std::atomic<std::size_t> abandoned_goroutines{0};
std::atomic<std::size_t> dropped_exceptions{0};

namespace {

constinit spin_lock registry_lock;
std::atomic<runtime_core*> cores{nullptr};

runtime_core& acquire_core() {
  {
    std::lock_guard guard(registry_lock);
    for (runtime_core* c = first_core(); c != nullptr; c = c->next_core) {
      if (!c->in_use) {
        c->in_use = true;
        return *c;
      }
    }
  }
  runtime_core* c = nullptr;
  {
    tsan_blind blind;  // a goroutine that comes from another runtime may have no order with this one's making
    c = new runtime_core;
  }
  c->in_use = true;
  std::lock_guard guard(registry_lock);
  c->next_core = first_core();
  cores.store(c, std::memory_order_release);  // pairs with first_core
  return *c;
}

void release_core(runtime_core& c) noexcept {
  std::lock_guard guard(registry_lock);  // against others_are_quiescent
  c.let_go();
  c.in_use = false;
}

// The CPUs that a cgroup's quota amounts to, rounded up; UINT_MAX without one.
unsigned quota_cpus() noexcept {
  double cpus = UINT_MAX;
  const auto read_two = [](const char* path, long long& a, long long& b, const char* format) {
    std::FILE* f = std::fopen(path, "re");
    if (f == nullptr) return 0;
    const int n = std::fscanf(f, format, &a, &b);
    std::fclose(f);
    return n;
  };
  long long quota = -1;
  long long period = -1;
  if (read_two("/sys/fs/cgroup/cpu.max", quota, period, "%lld %lld") == 2 && quota > 0 && period > 0) {
    cpus = std::min(cpus, static_cast<double>(quota) / static_cast<double>(period));
  }
  long long unused = 0;
  quota = period = -1;
  if (read_two("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", quota, unused, "%lld") == 1 &&
      read_two("/sys/fs/cgroup/cpu/cpu.cfs_period_us", period, unused, "%lld") == 1 && quota > 0 &&
      period > 0) {
    cpus = std::min(cpus, static_cast<double>(quota) / static_cast<double>(period));
  }
  const auto whole = static_cast<unsigned>(cpus);
  return std::max(1u, cpus > whole ? whole + 1 : whole);
}

unsigned allowed_cpus() noexcept {
  unsigned n = 0;
  // A machine may have more CPUs than the default set holds.
  for (int size = 1024; size <= 1 << 16 && n == 0; size *= 4) {
    cpu_set_t* set = CPU_ALLOC(static_cast<std::size_t>(size));
    if (set == nullptr) break;
    const std::size_t bytes = CPU_ALLOC_SIZE(static_cast<std::size_t>(size));
    if (sched_getaffinity(0, bytes, set) == 0) n = static_cast<unsigned>(CPU_COUNT_S(bytes, set));
    CPU_FREE(set);
  }
  if (n == 0) n = std::max(1u, std::thread::hardware_concurrency());
  return std::min(n, quota_cpus());
}

// What the library was told, with every default filled in. Throws for what makes no sense.
options resolve(options o) {
  if (o.max_threads == 0) throw std::invalid_argument("weft::options::max_threads must not be 0");
  if (o.workers == 0) {
    if (const char* text = std::getenv("WEFT_WORKERS"); text != nullptr && *text != '\0') {
      unsigned n = 0;
      const auto [end, error] = std::from_chars(text, text + std::strlen(text), n);
      if (error != std::errc() || *end != '\0' || n == 0 || n > 65536) {
        throw std::invalid_argument(std::string("WEFT_WORKERS must be a number from 1 to 65536, not ") +
                                    text);
      }
      o.workers = n;
    } else {
      o.workers = allowed_cpus();
    }
  }
  o.workers = std::min(o.workers, o.max_threads);
  if (o.stack_size == 0) o.stack_size = std::size_t{WEFT_TSAN || WEFT_ASAN ? 256 : 64} << 10;
  if (o.stack_size > std::size_t{1} << 40) {
    throw std::invalid_argument("weft::options::stack_size is larger than a terabyte");
  }
  if (const char* text = std::getenv("WEFT_DUMP_ON_SIGQUIT"); text != nullptr) {
    o.dump_on_sigquit |= std::string_view(text) == "1";
  }
  if (const char* text = std::getenv("WEFT_MEASURE_STACKS"); text != nullptr) {
    o.measure_stacks |= std::string_view(text) == "1";
  }
  if (o.seed == 0) o.seed = (std::uint64_t{std::random_device{}()} << 32) | std::random_device{}();
  return o;
}

runtime_core& start_core(const options& o, bool (*on_deadlock)(runtime_core&) = nullptr) {
  [[maybe_unused]] static const bool prepared = [] {
    prepare_barriers();
    install_terminate_handler();
    install_overflow_report();
    return true;
  }();
  const options resolved = resolve(o);
  // TSan sees this lock: the core that is given out again was another owner's before.
  runtime_core& core = acquire_core();
  tsan_blind blind;  // workers read what is set up here without an order that TSan knows
  bool asks = false;
  try {
    if (resolved.dump_on_sigquit) ask_for_dumps();
    asks = resolved.dump_on_sigquit;
    core.on_deadlock = on_deadlock;
    core.start(resolved, make_poller());
  } catch (...) {
    if (asks) ask_no_more();
    release_core(core);
    throw;
  }
  return core;
}

// What run() and runtime::run() start as a goroutine, and what they wait for.
struct main_task {
  function_view body;
  runtime_core* core;
  bool is_main;
  std::exception_ptr error{};
  bool left = false;  // by exit_goroutine
  std::atomic<bool> done{false};
  waiter* waits = nullptr;
};

void perform(main_task& task) {
  if (task.is_main) task.core->main_goroutine.store(current_worker()->current);
  try {
    task.body();
  } catch (const goroutine_exit&) {
    task.left = true;
  } catch (...) {
    task.error = std::current_exception();
  }
  // Its locals are gone before the run ends, as if they were its function's.
  end_locals(current_worker()->current);
  if (task.is_main) task.core->main_goroutine.store(nullptr);
}

void rethrow_end(main_task& task) {
  if (task.error) std::rethrow_exception(std::move(task.error));
  if (task.left) throw_no_result("the function was left by exit_goroutine()");
}

// Reports what has not ended and says how many.
void report_left_behind(runtime_core& core) {
  const std::size_t n = core.alive();
  abandoned_goroutines.fetch_add(n);
  std::fprintf(stderr,
               "weft: the run has ended, but %zu goroutine%s not after %lld ms (a long computation, "
               "or a call that blocks its thread); left behind. See options.shutdown_grace.\n",
               n, n == 1 ? " has" : "s have",
               static_cast<long long>(core.settings().shutdown_grace.count()));
  dump_to_stderr();
}

// A seed that came when its run was over: a timer fired, or a thread was late.
void hand_on(seed* s) {
  if (s->kind == seed_kind::user) {
    s->invoke(s, nullptr, seed_action::discard);
    return;
  }
  if (s->kind == seed_kind::resumption) static_cast<suspension&>(*s).core = &default_core();
  default_core().submit(s);
}

void end_core(runtime_core& core) {
  const auto grace = core.settings().shutdown_grace;
  const bool stuck_kills = core.settings().abort_on_stuck;
  core.decide_all_waits();
  bool clean = core.wait_until_empty(
      deadline_after(grace > grace.zero() ? grace : grace.zero()).at);
  order_after(core.order_of_ends());
  if (!clean) {
    report_left_behind(core);
    if (stuck_kills) std::abort();
  }
  const std::int64_t a_moment = clean ? 60'000'000'000 : 100'000'000;
  clean &= core.stop_workers(steady_now() + a_moment);
  adopt_timers(core.leftover_timers());
  if (core.settings().dump_on_sigquit) ask_no_more();
  if (!clean) return;  // never used again
  for (seed* s = core.leftover_seeds(); s != nullptr;) {
    seed* next = s->next;
    hand_on(s);
    s = next;
  }
  release_core(core);
}

callable_seed* make_task_seed(main_task& task, void (*at_end)(main_task&)) {
  struct body {
    main_task* task;
    void (*at_end)(main_task&);
    void operator()() const {
      perform(*task);
      at_end(*task);
    }
  };
  callable_seed* s = make_detached_seed(body{&task, at_end});
  s->kind = seed_kind::internal;
  return s;
}

}  // namespace

bool others_are_quiescent(const runtime_core& core) noexcept {
  std::lock_guard guard(registry_lock);
  for (const runtime_core* c = first_core(); c != nullptr; c = c->next_core) {
    if (c != &core && c->in_use && !c->is_quiescent()) return false;
  }
  return true;
}

runtime_core* first_core() noexcept { return cores.load(std::memory_order_acquire); }

runtime_core& default_core() {
  // Never ends, so it is used in static destructors, too.
  static runtime_core& core = []() -> runtime_core& {
    options o;
    o.detect_deadlock = false;
    runtime_core& c = start_core(o);
    c.start_monitor();
    return c;
  }();
  return core;
}

runtime_core& current_core() {
  worker* w = current_worker();
  return w != nullptr ? *w->core : default_core();
}

void run_to_end(const options& o, function_view body) {
  if (current_worker() != nullptr) {
    throw std::logic_error("weft::run inside a goroutine; call the function, or use weft::spawn");
  }
  main_task task{body, nullptr, true};
  callable_seed* first = make_task_seed(task, [](main_task& t) {
    runtime_core& c = *t.core;
    c.begin_to_end();  // from here on nothing starts
    order_before(&t);
    t.done.store(true, std::memory_order_release);  // pairs with monitor_until
    c.wake_monitor();
  });
  try {
    task.core = &start_core(o, o.detect_deadlock ? &check_deadlock : nullptr);
  } catch (...) {
    recycle_seed(first);
    throw;
  }
  runtime_core& core = *task.core;
  core.submit(first);
  // Only while its runtime shows that there is something to do, or is judged itself.
  count_own_thread();
  core.monitor_until(task.done);
  uncount_own_thread();
  (void)task.done.load(std::memory_order_acquire);  // once where TSan sees it
  order_after(&task);
  end_core(core);
  rethrow_end(task);
}

void run_and_wait(runtime_core& core, function_view body) {
  main_task task{body, &core, false};
  wait_scope scope("runtime::run");
  scope.check_exit();
  exit_guard guard;  // the task lies in this frame
  task.waits = scope.who();
  struct start {
    runtime_core* core;
    seed* s;
  } starting{&core, make_task_seed(task, [](main_task& t) {
               waiter* w = t.waits;
               if (w->word.claim(claim_case)) wake(w);
             })};
  // The goroutine starts in the commit, so that it finds the word open.
  scope.park(
      [](void* argument) {
        const start s = *static_cast<start*>(argument);
        s.core->submit(s.s);
      },
      &starting, deadline::never());
  rethrow_end(task);
}

runtime_core* start_runtime(const options& o) {
  runtime_core& core = start_core(o);
  core.start_monitor();
  return &core;
}

void end_runtime(runtime_core* core) {
  core->stop_monitor();
  end_core(*core);
}

runtime_stats stats_of(const runtime_core& core) {
  runtime_stats s = core.stats();
  s.abandoned = abandoned_goroutines.load(std::memory_order_relaxed);
  s.dropped_exceptions = dropped_exceptions.load(std::memory_order_relaxed);
  return s;
}

// ---- Seeds ---------------------------------------------------------------------------------

callable_seed* allocate_seed() {
  callable_seed* s = nullptr;
  {
    tsan_blind blind;
    worker* w = current_worker();
    s = w != nullptr ? w->seeds.take() : seed_pool::take_shared();
  }
  if (s == nullptr) throw std::bad_alloc();
  s->kind = seed_kind::user;
  return s;
}

void recycle_seed(callable_seed* s) noexcept { recycle_seed(current_worker(), s); }

void recycle_seed(worker* w, callable_seed* s) noexcept {
  tsan_blind blind;
  if (w != nullptr) {
    w->seeds.give_back(s);
  } else {
    seed_pool::give_back_shared(s);
  }
}

void submit_seed(seed* s) {
  worker* w = current_worker();
  if (w == nullptr || w->core->is_ending()) [[unlikely]] {
    runtime_core* core = nullptr;
    try {
      core = &current_core();
    } catch (...) {
      // The default runtime could not start.
      s->invoke(s, nullptr, seed_action::discard);
      throw;
    }
    submit_seed(*core, s);
    return;
  }
  order_before(s);
  tsan_blind blind;
  w->core->submit_here(w, s);
}

void submit_seed(runtime_core& core, seed* s) {
  if (core.is_ending() && s->kind == seed_kind::user) [[unlikely]] {
    core.wait_until_decided();
    exit_guard guard;
    s->invoke(s, current_worker(), seed_action::discard);
    return;
  }
  core.submit(s);
}

void throw_no_result(const char* why) { throw no_result(std::string("weft: no result: ") + why); }

void report_dropped_exception(std::exception_ptr error, bool while_in_flight) {
  if (while_in_flight) {
    dropped_exceptions.fetch_add(1);
    return;
  }
  const worker* w = current_worker();
  static const options defaults;
  const std::string name = this_goroutine::name();
  report_uncaught(w != nullptr ? w->core->settings() : defaults, std::move(error), name);
}

}  // namespace detail

// ---- The public functions ------------------------------------------------------------------

using namespace detail;

namespace {

WEFT_RETURNS_ELSEWHERE void yield_here(worker* w, goroutine* self) noexcept {
  yield_now(w, self);
}

}  // namespace

runtime_stats stats() { return stats_of(current_core()); }
std::size_t num_goroutines() { return current_core().alive(); }
unsigned workers() { return current_core().worker_count(); }

void set_workers(unsigned n) {
  runtime_core& core = current_core();
  if (n == 0 || n > core.most_workers()) {
    throw std::invalid_argument("weft::set_workers: " + std::to_string(n) +
                                " is not from 1 to options::max_threads, which is " +
                                std::to_string(core.most_workers()));
  }
  core.set_workers(n);
}

void yield() {
  worker* w = current_worker();
  if (w == nullptr) {
    sched_yield();
    return;
  }
  goroutine* self = w->current;
  if (w->core->is_ending() && !waits_on_at_exit(w, self)) [[unlikely]] {
    w->core->wait_until_decided();
    throw_goroutine_exit();
  }
  yield_here(w, self);
}

void exit_goroutine() {
  if (!this_goroutine::inside()) {
    throw std::logic_error("weft::exit_goroutine: this is no goroutine");
  }
  throw_goroutine_exit();
}

exit_guard::exit_guard() noexcept : goroutine_(this_goroutine::id()) {
  if (goroutine_ != 0) ++current_worker()->current->exit_guards;
}
exit_guard::~exit_guard() {
  // Another goroutine, in a coroutine that awaited meanwhile: the guard ended with its goroutine.
  if (goroutine_ != 0 && goroutine_ == this_goroutine::id()) {
    --current_worker()->current->exit_guards;
  }
}

pinned::pinned() : goroutine_(this_goroutine::id()) {
  if (goroutine_ == 0) return;
  worker* w = current_worker();
  goroutine* self = w->current;
  if (self->pins == 0) w->core->pin(w, self);
  ++self->pins;
  self->has_extras = true;  // so that its end unpins it, should this object be leaked
}
pinned::~pinned() {
  // Another goroutine: as with exit_guard.
  if (goroutine_ == 0 || goroutine_ != this_goroutine::id()) return;
  worker* w = current_worker();
  if (--w->current->pins == 0) w->core->unpin(w, w->current);
}

namespace this_goroutine {

bool inside() noexcept {
  const worker* w = current_worker();
  return w != nullptr && w->current != nullptr;
}

std::uint64_t id() noexcept {
  const worker* w = current_worker();
  return w != nullptr && w->current != nullptr ? w->current->id.load(std::memory_order_relaxed) : 0;
}

}  // namespace this_goroutine
}  // namespace weft
