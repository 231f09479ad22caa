// Sleeping, timers, tickers, and functions that a timer starts.
//
// A timer's state is shared by its handle and, while it is set, by the wheel. `armed` says that it
// is to fire; `queued`, that the node stands in a wheel or is on its way to fire(). Everything is
// decided under the state's lock, the send of a tick included; so when stop() or reset() has
// returned, no tick of before is in the channel or can get there (as in Go 1.23).
//
// on_the_grid: a ticker's next tick is always its start plus a whole number of periods, whenever
//   the last one was sent; ticks for a full channel are dropped.
// nothing_of_the_user_at_home: firing runs on a worker's home stack, which cannot park. A function
//   is started as a goroutine from a seed that was made when the timer was set, so that firing
//   cannot fail; if the wheel's reference is the last, that seed's goroutine destroys the function.
// Order of locks: a timer's state, then a wheel or the timer's channel.
// Proved by: tests/conformance/time_test.cpp, ticker_test.cpp, tests/stress/sync_stress.cpp.
#include "time/timer.hpp"

#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>

#include "base/futex.hpp"
#include "chan/channel.hpp"
#include "park/park.hpp"
#include "weft/go.hpp"

namespace weft {

clock::time_point clock::now() noexcept {
  return time_point(duration(detail::steady_now()));
}

namespace detail {

namespace {

// While a run unwinds, functions that come due wait for the default runtime to take over.
constexpr std::int64_t until_the_run_is_over = 20'000'000;

struct tick_timer : timer_state {
  void arm_locked(deadline) override {
    order_before(channel_access::core(ticks));  // for channel::order_after_wake
  }
  void fire_locked(effect&) override {
    ticks.try_send(clock::now());  // never full: set only when drained
    ticked = true;
  }
  bool take_tick_locked() override {
    if (!std::exchange(ticked, false)) return false;
    std::optional<clock::time_point> tick;
    return ticks.try_recv(tick) == chan_status::ok;
  }
  bool can_be_seen() const override { return !channel_access::core(ticks)->has_one_handle(); }
  recv_chan<clock::time_point> channel() const override { return ticks; }

  chan<clock::time_point> ticks{1};
  bool ticked = false;  // there may be a tick in the channel
};

struct ticker_timer final : tick_timer {
  void arm_locked(deadline at) override {
    tick_timer::arm_locked(at);
    next = at.at;
  }
  void fire_locked(effect& e) override {
    const std::int64_t now = steady_now();
    ticks.try_send(clock::time_point(clock::duration(now)));  // dropped if the last still waits
    ticked = true;
    const std::int64_t behind = now > next ? (now - next) / period : 0;
    std::int64_t ahead = 0;
    if (__builtin_mul_overflow(period, behind + 1, &ahead) ||
        __builtin_add_overflow(next, ahead, &next)) {
      return;  // beyond the end of time
    }
    e.next = {next};
  }

  std::int64_t period = 0;  // changed under the lock, while it is not armed
  std::int64_t next = 0;    // the tick that is armed
};

// The seed's callable is only a pointer to the state, which holds the function: it may be wanted
// again by a reset, while it runs.
struct function_timer final : timer_state {
  explicit function_timer(std::unique_ptr<timer_function> f) noexcept : function(std::move(f)) {
    outlives_handle = true;
  }
  ~function_timer() override {
    if (prepared != nullptr) recycle_seed(prepared);
  }
  void fire_locked(effect& e) override {
    if (current_worker()->core->is_ending()) {
      e.next = {steady_now() + until_the_run_is_over};
      armed = true;
      return;
    }
    e.start = std::exchange(prepared, nullptr);
  }
  void destroy_at_home() override {
    // Stopped while it was on its way: the seed was not used.
    references = 1;
    only_destroy = true;
    callable_seed* s = std::exchange(prepared, nullptr);
    s->kind = seed_kind::internal;
    submit_from_home(s);
  }
  static void invoke(seed* head, worker* w, seed_action action) {
    auto* s = static_cast<callable_seed*>(head);
    struct release {
      function_timer* timer;
      ~release() { drop_timer(timer); }
    } held{*stored_callable<function_timer*>(s)};
    recycle_seed(w, s);
    if (action == seed_action::run && !held.timer->only_destroy) held.timer->function->call();
  }
  callable_seed* make_seed() {
    callable_seed* s = allocate_seed();
    ::new (static_cast<void*>(s->storage)) function_timer*(this);
    s->invoke = &invoke;
    return s;
  }

  std::unique_ptr<timer_function> function;
  callable_seed* prepared = nullptr;  // present while it is armed
  bool only_destroy = false;
};

void fire(timer_node* node) {
  auto* s = static_cast<timer_state*>(node);
  timer_state::effect effect;
  bool last = false;
  {
    std::lock_guard guard(s->lock);
    s->queued = false;
    if (s->armed) {
      s->armed = false;
      s->fire_locked(effect);
      if (!effect.next.is_never()) {
        s->armed = s->queued = true;
        s->at = effect.next.at;
        current_core().add_timer(*s);  // with the wheel's reference
        return;
      }
    }
    // What comes after the lock keeps the wheel's reference.
    if (effect.start == nullptr && effect.then == nullptr) last = --s->references == 0;
  }
  if (effect.start != nullptr) {
    submit_from_home(effect.start);  // with the wheel's reference: the function may end at once
    return;
  }
  if (effect.then != nullptr) {
    effect.then(effect.argument);
    std::lock_guard guard(s->lock);
    last = --s->references == 0;
  }
  if (last) s->destroy_at_home();
}

void set_locked(timer_state* s, deadline at, runtime_core& core) {
  s->armed = true;
  s->arm_locked(at);
  if (at.is_never()) return;
  s->queued = true;
  ++s->references;
  s->timer_node::at = at.at;
  s->fire = &fire;
  core.add_timer(*s);
}

// By who has a reference. True: it was to fire, or its tick stood in the channel. The node is out of
// every wheel, or on its way to a fire() that finds nothing to do.
bool disarm_locked(timer_state* s) {
  const bool was_armed = s->armed;
  s->armed = false;
  if (s->queued) {
    tsan_blind blind;
    if (timer_wheel::remove(*s)) {
      s->queued = false;
      --s->references;  // the wheel's
    }
  }
  return s->take_tick_locked() || was_armed;
}

// With the lock, when before_arming has been called.
template <class Before>
bool reset_with(timer_state* s, deadline at, Before before_arming) {
  runtime_core& core = current_core();  // may have to be started: nothing to do under a spin lock
  std::unique_lock guard(s->lock);
  const bool pending = disarm_locked(s);
  // The node cannot be used again before the fire() that is under way has let go of it.
  for (backoff b; s->queued;) {
    guard.unlock();
    b.wait();
    guard.lock();
    disarm_locked(s);  // somebody else may have set it meanwhile
  }
  before_arming();
  set_locked(s, at, core);
  return pending;
}

std::int64_t checked_period(std::int64_t period) {
  if (period <= 0) throw std::invalid_argument("weft::ticker: the period must be more than nothing");
  return period;
}

deadline after_period(std::int64_t period) {
  return deadline_after(std::chrono::nanoseconds(period));
}

}  // namespace

void drop_timer(timer_state* s) noexcept {
  bool last = false;
  {
    std::lock_guard guard(s->lock);
    last = --s->references == 0;
  }
  if (last) delete s;
}

void submit_from_home(seed* s) noexcept { current_worker()->core->submit(s); }

void arm_timer(timer_state* s, deadline at) {
  reset_with(s, at, [] {});
}

timer_state* make_timer(deadline at) {
  auto s = std::make_unique<tick_timer>();
  arm_timer(s.get(), at);
  return s.release();
}

timer_state* make_function_timer(deadline at, std::unique_ptr<timer_function> f) {
  auto s = std::make_unique<function_timer>(std::move(f));
  reset_timer(s.get(), at);
  return s.release();
}

timer_state* make_ticker(std::int64_t period) {
  auto s = std::make_unique<ticker_timer>();
  s->period = checked_period(period);
  arm_timer(s.get(), after_period(period));
  return s.release();
}

void reset_ticker(timer_state* s, std::int64_t period) {
  checked_period(period);
  reset_with(s, after_period(period), [=] { static_cast<ticker_timer*>(s)->period = period; });
}

bool stop_timer(timer_state* s) {
  std::lock_guard guard(s->lock);
  return disarm_locked(s);
}

bool reset_timer(timer_state* s, deadline at) {
  auto* f = dynamic_cast<function_timer*>(s);
  if (f == nullptr) return reset_with(s, at, [] {});
  callable_seed* fresh = f->make_seed();
  const bool pending = reset_with(s, at, [&] {
    if (f->prepared == nullptr) f->prepared = std::exchange(fresh, nullptr);
    order_before(f->prepared);  // what its goroutine may rely on; the firing is invisible to TSan
  });
  if (fresh != nullptr) recycle_seed(fresh);
  return pending;
}

void release_timer(timer_state* s, bool stop) noexcept {
  if (stop && !s->outlives_handle) stop_timer(s);
  drop_timer(s);
}

recv_chan<clock::time_point> timer_channel(const timer_state* s) { return s->channel(); }

void adopt_timers(timer_node* first) {
  while (first != nullptr) {
    timer_node* next = first->next_to_fire;
    auto* s = static_cast<timer_state*>(first);
    bool unused = false;
    // Nobody who could see the tick is left: no reason to start the default runtime for it.
    bool unseen = false;
    {
      std::lock_guard guard(s->lock);
      unseen = s->references == 1 && !s->can_be_seen();
    }
    runtime_core* core = unseen ? nullptr : &default_core();
    {
      std::lock_guard guard(s->lock);
      unused = !s->armed || unseen;
      if (unused) {
        s->queued = false;
      } else {
        core->add_timer(*first);
      }
    }
    if (unused) drop_timer(s);
    first = next;
  }
}

void sleep_until(deadline at) {
  if (at.at <= steady_now()) {
    yield();
    return;
  }
  wait_scope scope("sleep");
  scope.check_exit();
  wait_scope::rethrow(scope.park(nullptr, nullptr, at));
}

}  // namespace detail
}  // namespace weft
