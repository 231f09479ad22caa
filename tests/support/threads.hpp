#pragma once

#include <sched.h>

#include <cstddef>
#include <fstream>
#include <string>

namespace weft_test {

// The kernel's own count: the directory of threads skips some while others end.
inline std::size_t thread_count() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (std::size_t n = 0; word == "Threads:" && status >> n) return n;
  }
  return 0;
}

// A thread that was joined may stand in the list for a moment more.
inline bool comes_down_to(std::size_t threads) {
  for (int i = 0; i < 1'000'000; ++i) {
    if (thread_count() <= threads) return true;
    sched_yield();
  }
  return false;
}

}  // namespace weft_test
