// A store followed by a load of something else, on both sides of a race (Dekker's pattern), needs a
// full fence on both. Where one side runs a million times as often as the other, the rare side can
// pay for both: membarrier(2) makes every other thread of the process pass a fence.
// Where the kernel refuses it (old, seccomp, Valgrind), both sides use real fences; chosen once.
#pragma once

#include <atomic>

#include "base/atomic.hpp"
#include "base/sanitizer.hpp"

namespace weft::detail {

extern std::atomic<bool> has_membarrier;  // set by prepare_barriers, before the first worker

void prepare_barriers() noexcept;
void membarrier_or_fence() noexcept;

#if defined(WEFT_MODEL)
inline void full_fence() noexcept { weft_model::full_fence(); }
inline void light_barrier() noexcept {
  if (!has_membarrier.load(std::memory_order_relaxed)) full_fence();
}
inline void heavy_barrier() noexcept {
  has_membarrier.load(std::memory_order_relaxed) ? weft_model::heavy_barrier() : full_fence();
}
inline void pause() noexcept { weft_model::spin(); }
#else
inline void full_fence() noexcept {
#if WEFT_TSAN
  // GCC's TSan does not model fences; a locked instruction fences the hardware all the same.
  static std::atomic<int> dummy;
  dummy.fetch_add(0, std::memory_order_seq_cst);
#else
  std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
}

// Pairs with heavy_barrier.
inline void light_barrier() noexcept {
  if (has_membarrier.load(std::memory_order_relaxed)) [[likely]] {
    std::atomic_signal_fence(std::memory_order_seq_cst);
  } else {
    full_fence();
  }
}
// Pairs with light_barrier; 16 us where it works.
inline void heavy_barrier() noexcept { membarrier_or_fence(); }

inline void pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}
#endif

}  // namespace weft::detail
