// What stands in a timing wheel for others than sleepers: timers, tickers, functions, and the
// deadlines of contexts (src/context).
#pragma once

#include <cstdint>

#include "base/spin_lock.hpp"
#include "sched/current.hpp"
#include "sched/timer_wheel.hpp"
#include "weft/detail/clock.hpp"
#include "weft/time.hpp"

namespace weft::detail {

// Shared by its handle and, while it is set, by the wheel. See timer.cpp for the rules.
struct timer_state : timer_node {
  // What firing has decided under the lock, for after it.
  struct effect {
    deadline next = deadline::never();  // set again
    seed* start = nullptr;              // a goroutine, which takes over the wheel's reference
    void (*then)(void*) = nullptr;      // called on the worker's home: must not wait
    void* argument = nullptr;
  };

  virtual ~timer_state() = default;
  // Under the lock, on some worker's home, not armed any more: must not throw, wait or run what a
  // user wrote.
  virtual void fire_locked(effect&) = 0;
  // Under the lock: takes away a tick that nobody has received; true if there was one.
  virtual bool take_tick_locked() { return false; }
  // Under the lock, about to be set.
  virtual void arm_locked(deadline) {}
  // Whether anybody is left who could see it fire, when only the wheel refers to it.
  virtual bool can_be_seen() const { return true; }
  // The wheel's reference was the last, on some worker's home.
  virtual void destroy_at_home() { delete this; }
  virtual recv_chan<clock::time_point> channel() const { return {}; }

  spin_lock lock;
  std::uint32_t references = 1; // guarded by the lock; who takes the last deletes after unlocking
  bool armed = false;           // it is to fire
  bool queued = false;          // it stands in a wheel or is on its way to fire
  bool outlives_handle = false; // destroying the handle does not stop it
};

void drop_timer(timer_state*) noexcept;
// Sets one that was never set, or only by a call that has returned.
void arm_timer(timer_state*, deadline);

// Starts a prepared seed from a worker's home, where nothing may run that a user wrote.
void submit_from_home(seed*) noexcept;

// Timers that stood in the wheels of a runtime that has ended, linked by next_to_fire: they go on
// in the default runtime.
void adopt_timers(timer_node*);

}  // namespace weft::detail
