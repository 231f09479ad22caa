// How coroutines suspend in a runtime and are resumed there; see suspension.hpp.
//
// A suspended coroutine counts as a goroutine: `spawned` goes up when it suspends, before it can be
// resumed, and the goroutine that resumes it is counted as ended like any other.
// Proved by: tests/conformance/coro_*.cpp, tests/stress/coro_stress.cpp.
#include "sched/core.hpp"
#include "sched/current.hpp"

namespace weft::detail {

void runtime_core::count_suspended(suspension& s) noexcept {
  worker* w = current_worker();
  s.core = this;
  if (w != nullptr && w->core == this) {
    w->spawned.store(w->spawned.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  } else {
    spawned_outside_.fetch_add(1, std::memory_order_relaxed);
  }
}

void runtime_core::link_suspended(suspension& s) noexcept {
  worker* w = current_worker();
  const bool here = w != nullptr && w->core == this;
  s.since = here ? coarse_time(w) : steady_now();
  suspended_.link(s, here ? w->index % suspended_list::shards : 0);
}

void runtime_core::resume(suspension& s, resume_order order) noexcept {
  runtime_core* core = s.core;
  core->suspended_.unlink(s);
  if (core->current_phase() == phase::stopped) [[unlikely]] {
    // Left behind by a run that ended without it.
    core = &default_core();
    core->spawned_outside_.fetch_add(1, std::memory_order_relaxed);
    s.core = core;
  }
  worker* w = current_worker();
  if (w == nullptr || w->core != core) {
    core->push_global(nullptr, &s);
  } else if (w->current == nullptr || order == resume_order::after_others) {
    // By a timer or a descriptor: many may come at once, and keep their order.
    w->queue.push_behind(&s);
    if (w->queue.has_spare() && w->state.load(std::memory_order_relaxed) == worker_state::running) {
      core->work_added();
    }
  } else if (w->queue.push_fresh(&s)) {
    core->work_added();
  }
}

bool runtime_core::withdraw(suspension& s) noexcept {
  {
    tsan_blind blind;
    if (!s.core->suspended_.withdraw(s)) return false;
  }
  s.type->withdraw(s);
  tsan_blind blind;
  runtime_core& core = *s.core;
  // A thread that is not ours must be through before the core may serve another run.
  core.visitors_.fetch_add(1, std::memory_order_seq_cst);
  core.ended_outside_.fetch_add(1, std::memory_order_release);
  if (core.is_ending()) core.note_end(nullptr);
  core.visitors_.fetch_sub(1, std::memory_order_seq_cst);
  return true;
}

std::size_t runtime_core::claim_suspended() noexcept {
  std::size_t held = 0;
  suspended_.for_each([&](suspension& s) {
    s.wait().word.claim(claim_exit);
    if (s.wait().word.value() == claim_exit) ++held;
    return false;
  });
  return held;
}

void runtime_core::resume_claimed() noexcept {
  wake_list claimed;
  suspended_.for_each([&](suspension& s) {
    if (s.wait().word.value() != claim_exit) return false;
    claimed.add(&s.wait());
    return true;
  });
  claimed.wake_all();
}

}  // namespace weft::detail
