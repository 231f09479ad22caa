// A runtime in the model: the scheduler's own sources with real goroutines, whose workers are
// threads of the model. Memory for stacks and seeds, and the poller, are the model's
// (runtime.cpp).
#pragma once

#include <functional>
#include <memory>

#include "model/explorer.hpp"
#include "sched/core.hpp"

namespace weft_model {

class runtime {
 public:
  // Makes it, with worker 0's thread on its way; in a scenario's beginning.
  explicit runtime(unsigned workers, unsigned max_threads = 0,
                   std::unique_ptr<weft::detail::poller> = nullptr);
  weft::detail::runtime_core& core() noexcept { return *core_; }
  // From anywhere, goroutines included.
  void go(std::function<void()> f);
  // As the end of a run does it: every wait is decided, everybody unwinds. Waits for that.
  void end() {
    core_->decide_all_waits();
    require(core_->wait_until_empty(INT64_MAX / 2), "the run did not end");
  }
  bool finished() const noexcept { return started_ == ended_; }
  // At the end: all that was started has ended.
  void check_all_ended() const { require(finished(), "a goroutine was left behind"); }

 private:
  weft::detail::runtime_core* core_;
  int started_ = 0;
  int ended_ = 0;
};

// weft::pinned, without what it checks.
struct pin_here {
  pin_here() {
    weft::detail::worker* w = weft::detail::current_worker();
    ++w->current->pins;
    w->core->pin(w, w->current);
  }
  ~pin_here() {
    weft::detail::worker* w = weft::detail::current_worker();
    --w->current->pins;
    w->core->unpin(w, w->current);
  }
};

// Keeps the calling thread until the monitor makes its last look before it sleeps: the tenth at which
// nothing moves, and before that one that finds out who is kept.
inline void until_monitor_tires(int looks) {
  while (weft::detail::steady_now() < (1 + looks) * hour) spin();
}

// Two or more that keep their threads until all have come.
class meeting {
 public:
  explicit meeting(int number) : missing_(number) {}
  void come() {
    missing_.fetch_sub(1, std::memory_order_acq_rel);
    while (missing_.load(std::memory_order_acquire) > 0) spin();
  }

 private:
  atomic<int> missing_;
};

}  // namespace weft_model
