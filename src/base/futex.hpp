// Blocking and waking threads.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <climits>
#include <cstdint>

#include "base/atomic.hpp"
#include "base/sanitizer.hpp"

namespace weft::detail {

#if defined(WEFT_MODEL)
inline std::int64_t steady_now() noexcept { return weft_model::now(); }
inline void futex_wait(atomic<std::uint32_t>& word, std::uint32_t value,
                       std::int64_t until = INT64_MAX) noexcept {
  word.futex_wait(value, until != INT64_MAX);
}
inline void futex_wake(atomic<std::uint32_t>* word, int count = 1) noexcept {
  atomic<std::uint32_t>::futex_wake(word, count);
}
#else
// The system's monotonic clock; a second implementation comes with virtual time.
inline std::int64_t steady_now() noexcept {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

#if WEFT_TSAN
// TSan puts a signal off that meets a thread in a system call which it does not know, or shortly before one,
// until that thread enters a call that it knows. So no such call is for ever, and the other one comes after it.
inline std::int64_t not_for_ever(std::int64_t until) noexcept {
  return std::min(until, steady_now() + 50'000'000);
}
inline void take_signals() noexcept {
  const timespec nothing{};
  nanosleep(&nothing, nullptr);
}
#endif

// Blocks while the word has this value, until the point in steady nanoseconds; may return early.
inline void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t value,
                       std::int64_t until = INT64_MAX) noexcept {
#if WEFT_TSAN
  until = not_for_ever(until);
#endif
  timespec at;
  timespec* limit = nullptr;
  if (until != INT64_MAX) {
    if (until < 0) until = 0;
    at = {static_cast<time_t>(until / 1'000'000'000), static_cast<long>(until % 1'000'000'000)};
    limit = &at;
  }
  // WAIT_BITSET takes an absolute time on the monotonic clock.
  syscall(SYS_futex, &word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, value, limit, nullptr,
          FUTEX_BITSET_MATCH_ANY);
#if WEFT_TSAN
  take_signals();
#endif
}

// The word may be gone: the kernel only hashes its address.
inline void futex_wake(std::atomic<std::uint32_t>* word, int count = 1) noexcept {
  syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, count, nullptr, nullptr, 0);
}
#endif

}  // namespace weft::detail
