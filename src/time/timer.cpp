// Sleeping, and timers with a channel.
//
// A timer's state is shared by its handle and, while it is set, by the wheel. `armed` says that a
// tick is to come; `queued`, that the node stands in a wheel or is on its way to fire(). Everything
// is decided under the state's lock, the send of the tick included; so when stop() or reset() has
// returned, no tick of before is in the channel or can get there (as in Go 1.23).
// Order of locks: a timer's state, then a wheel or the timer's channel.
// Proved by: tests/conformance/time_test.cpp, tests/stress/sync_stress.cpp.
#include <cstddef>
#include <mutex>
#include <optional>

#include "base/futex.hpp"
#include "chan/channel.hpp"
#include "park/park.hpp"
#include "sched/current.hpp"
#include "time/timer.hpp"
#include "weft/go.hpp"
#include "weft/time.hpp"

namespace weft {

clock::time_point clock::now() noexcept {
  return time_point(duration(detail::steady_now()));
}

namespace detail {

struct timer_state {
  std::atomic<std::uint32_t> references{1};
  spin_lock lock;
  bool armed = false;
  bool queued = false;
  timer_node node;
  chan<clock::time_point> channel{1};
};

namespace {

timer_state& state_of(timer_node* node) noexcept {
  return *reinterpret_cast<timer_state*>(reinterpret_cast<char*>(node) -
                                         offsetof(timer_state, node));
}

void drop(timer_state* s) noexcept {
  if (s->references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete s;
}

void fire(timer_node* node) {
  timer_state* s = &state_of(node);
  {
    std::lock_guard guard(s->lock);
    s->queued = false;
    if (s->armed) {
      s->armed = false;
      s->channel.try_send(clock::now());  // never full: set only when drained
    }
  }
  drop(s);
}

void arm_locked(timer_state* s, deadline at) {
  s->armed = true;
  order_before(channel_access::core(s->channel));  // TSan does not see the tick's way
  if (at.is_never()) return;
  s->queued = true;
  s->references.fetch_add(1, std::memory_order_relaxed);
  s->node.at = at.at;
  s->node.fire = &fire;
  current_core().add_timer(s->node);
}

// True: a tick was to come, or stood in the channel. The node is out of every wheel, or on its way
// to a fire() that finds nothing to do.
bool disarm_locked(timer_state* s, bool& dropped) {
  const bool was_armed = s->armed;
  s->armed = false;
  {
    tsan_blind blind;
    dropped = s->queued && timer_wheel::remove(s->node);
  }
  if (dropped) s->queued = false;
  std::optional<clock::time_point> tick;
  return s->channel.try_recv(tick) == chan_status::ok || was_armed;
}

}  // namespace

timer_state* make_timer(deadline at) {
  auto* s = new timer_state;
  std::lock_guard guard(s->lock);
  arm_locked(s, at);
  return s;
}

bool stop_timer(timer_state* s) {
  bool dropped = false;
  bool pending = false;
  {
    std::lock_guard guard(s->lock);
    pending = disarm_locked(s, dropped);
  }
  if (dropped) drop(s);
  return pending;
}

bool reset_timer(timer_state* s, deadline at) {
  bool dropped = false;
  bool pending = false;
  {
    std::unique_lock guard(s->lock);
    pending = disarm_locked(s, dropped);
    // The node cannot be used again before the fire() that is under way has let go of it.
    for (backoff b; s->queued;) {
      guard.unlock();
      b.wait();
      guard.lock();
      if (!dropped) disarm_locked(s, dropped);  // somebody else has set it meanwhile
    }
    arm_locked(s, at);
  }
  if (dropped) drop(s);
  return pending;
}

void release_timer(timer_state* s, bool stop) noexcept {
  if (stop) stop_timer(s);
  drop(s);
}

recv_chan<clock::time_point> timer_channel(const timer_state* s) { return s->channel; }

void adopt_timers(timer_node* first) {
  while (first != nullptr) {
    timer_node* next = first->next_to_fire;
    timer_state* s = &state_of(first);
    bool unused = false;
    // Nobody who could see the tick is left: no reason to start the default runtime for it.
    const bool unseen = s->references.load(std::memory_order_acquire) == 1 &&
                        channel_access::core(s->channel)->has_one_handle();
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
    if (unused) drop(s);
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
