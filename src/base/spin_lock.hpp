// A lock for a few dozen instructions. Released by a plain store, which is the last touch: who
// locks it next may free it. The holder makes no system call. A waiter pauses, then yields its
// time slice, then naps, since the holder's thread may have been preempted.
#pragma once

#include <sched.h>
#include <time.h>

#include <atomic>
#include <cstdint>

#include "base/barrier.hpp"

namespace weft::detail {

// How long to keep trying something that another thread is about to finish.
class backoff {
 public:
  void wait() noexcept {
#if defined(WEFT_MODEL)
    weft_model::spin();
    return;
#endif
    if (++rounds_ < 64) {
      pause();
    } else if (rounds_ < 96) {
      sched_yield();
    } else {
      const timespec nap{0, 50'000};
      nanosleep(&nap, nullptr);
    }
  }
  // By one of several that want the same thing again and again: longer each time, 248 pauses in all, so
  // that who has the cache line does some operations before it goes to another CPU. Four producers and
  // four consumers on two workers: 31 ns a value, and 10 with it.
  void wait_for_turn() noexcept {
#if !defined(WEFT_MODEL)
    if (rounds_ < 5) {
      for (unsigned i = 0; i < 8u << rounds_; ++i) pause();
      ++rounds_;
      return;
    }
#endif
    wait();
  }

 private:
  unsigned rounds_ = 0;
};

class spin_lock {
 public:
  constexpr spin_lock() noexcept = default;
  void lock() noexcept {
    if (!try_lock()) lock_slow();
  }
  bool try_lock() noexcept {
    std::uint32_t expected = 0;
    return word_.compare_exchange_strong(expected, 1, std::memory_order_acquire,
                                         std::memory_order_relaxed);
  }
  void unlock() noexcept { word_.store(0, std::memory_order_release); }  // pairs with try_lock

 private:
  [[gnu::noinline, gnu::cold]] void lock_slow() noexcept {
    backoff b;
    do {
      b.wait_for_turn();
    } while (word_.load(std::memory_order_relaxed) != 0 || !try_lock());
  }
  atomic<std::uint32_t> word_{0};
};

}  // namespace weft::detail
