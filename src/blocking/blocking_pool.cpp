// The threads of blocking(): shared by the process, started when no thread is idle, gone after some
// seconds without work.
//
// one_way: a job is handed to one thread, or stands in the queue while all threads are busy and no
//   more may be started. A thread that is done takes the oldest of the queue.
// last_touch: the job lies in the frame of who waits. The thread sets `done` and claims the waiter
//   under the job's lock; letting that go is its last touch, the wake goes by the waiter.
//   A detached job is its own: the thread destroys it.
// An idle thread's record lies in its own frame. Who takes it out of the list signals it.
// The goroutine that waits counts in its core's outside_activities (outside_activity) until it is
// awake again, so nobody takes its wait for a deadlock.
// Locks: pool_lock, then nothing; a job's, then nothing. TSan sees neither the pool nor its lock,
// which would order strangers, but who waits and the call.
// Proved by: tests/conformance/blocking.cpp.
#include "blocking/blocking_pool.hpp"

#include <mutex>
#include <thread>

#include "park/park.hpp"
#include "switch/floating_point.hpp"
#include "weft/blocking.hpp"

namespace weft::detail {

namespace {

constexpr unsigned most_threads = 512;
constexpr std::int64_t stays_idle = 5'000'000'000;

struct blocking_job {
  explicit blocking_job(function_view f) noexcept : call(f) {}
  function_view call;
  floating_control floating = thread_floating_control();  // the caller's, for the call
  blocking_job* next = nullptr;
  bool detached = false;
  spin_lock lock;
  bool done = false;         // guarded by lock, and so is
  waiter* waits = nullptr;
};

struct detached_job : blocking_job {
  explicit detached_job(std::unique_ptr<detached_call> c) : blocking_job(function_view(*this)) {
    detached = true;
    owned = std::move(c);
  }
  void operator()() noexcept { owned->run(); }
  std::unique_ptr<detached_call> owned;
};

struct idle_thread {
  idle_thread* next = nullptr;
  blocking_job* job = nullptr;
  std::atomic<std::uint32_t> signal{0};  // 1: job is set
};

constinit spin_lock pool_lock;  // guards the following
constinit idle_thread* idle = nullptr;
constinit blocking_job* oldest = nullptr;
constinit blocking_job* newest = nullptr;
constinit unsigned threads = 0;

void perform(blocking_job* job) noexcept {
  order_after(job);
  set_thread_floating_control(job->floating);
  job->call();
  if (job->detached) {
    delete static_cast<detached_job*>(job);
    return;
  }
  waiter* to_wake = nullptr;
  {
    std::lock_guard guard(job->lock);
    job->done = true;
    if (job->waits != nullptr && job->waits->word.claim(claim_case)) to_wake = job->waits;
  }
  if (to_wake != nullptr) wake(to_wake);
}

// The next job for a thread that has none; null: it is to go.
blocking_job* next_job() noexcept {
  tsan_blind blind;
  idle_thread self;
  {
    std::lock_guard guard(pool_lock);
    if (blocking_job* job = oldest) {
      oldest = job->next;
      return job;
    }
    self.next = idle;
    idle = &self;
  }
  const std::int64_t until = steady_now() + stays_idle;
  while (self.signal.load(std::memory_order_acquire) == 0) {
    futex_wait(self.signal, 0, until);
    if (steady_now() < until) continue;
    std::lock_guard guard(pool_lock);
    idle_thread** at = &idle;
    while (*at != nullptr && *at != &self) at = &(*at)->next;
    if (*at == nullptr) break;  // somebody has a job for this one
    *at = self.next;
    --threads;
    return nullptr;
  }
  while (self.signal.load(std::memory_order_acquire) == 0) futex_wait(self.signal, 0);
  return self.job;
}

void run_pool_thread(blocking_job* job) noexcept {
  count_own_thread();
  for (; job != nullptr; job = next_job()) perform(job);
  uncount_own_thread();
}

bool start_pool_thread(blocking_job* job) noexcept {
  try {
    std::thread(&run_pool_thread, job).detach();
    return true;
  } catch (...) {
    return false;
  }
}

// False: there is no thread that will ever take it.
bool submit(blocking_job* job) noexcept {
  order_before(job);
  tsan_blind blind;
  for (bool may_start = true;;) {
    std::unique_lock guard(pool_lock);
    if (idle_thread* t = idle) {
      idle = t->next;
      guard.unlock();
      t->job = job;
      std::atomic<std::uint32_t>* signal = &t->signal;
      signal->store(1, std::memory_order_release);  // its frame may be gone from here on
      futex_wake(signal);
      return true;
    }
    if (!may_start || threads >= most_threads) {
      if (threads == 0) return false;
      (oldest == nullptr ? oldest : newest->next) = job;
      newest = job;
      return true;
    }
    ++threads;
    guard.unlock();
    if (start_pool_thread(job)) return true;
    guard.lock();
    --threads;
    may_start = false;
  }
}

void wait_for(blocking_job& job) {
  wait_scope scope("blocking call");
  job.lock.lock();
  if (job.done) {
    job.lock.unlock();
    return;
  }
  job.waits = scope.who();
  scope.park([](void* j) { static_cast<blocking_job*>(j)->lock.unlock(); }, &job, deadline::never());
}

}  // namespace

void run_on_blocking_thread(function_view f) noexcept {
  worker* w = current_worker();
  goroutine* self = w != nullptr ? w->current : nullptr;
  if (self == nullptr) return f();
  outside_activity activity;
  blocking_job job(f);
  if (submit(&job)) {
    ++self->exit_guards;  // the end of the run waits for it, too
    wait_for(job);
    --self->exit_guards;
  } else {
    f();
  }
}

void run_detached(std::unique_ptr<detached_call> call) {
  auto job = std::make_unique<detached_job>(std::move(call));
  if (submit(job.get())) {
    job.release();
  } else {
    (*job)();
  }
}

outside_activity::outside_activity() noexcept {
  worker* w = current_worker();
  if (w == nullptr || w->current == nullptr) return;
  core_ = w->core;
  core_->outside_activities.fetch_add(1, std::memory_order_seq_cst);
}

outside_activity::~outside_activity() {
  if (core_ != nullptr) core_->outside_activities.fetch_sub(1, std::memory_order_seq_cst);
}

void run_blocking(function_view f) {
  wait_scope("blocking call").check_exit();
  run_on_blocking_thread(f);
  wait_scope("blocking call").check_exit();
}

}  // namespace weft::detail
