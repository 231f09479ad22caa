// Mutexes and timers.
#ifndef WEFT_BENCH_SYNC_TIME_HPP
#define WEFT_BENCH_SYNC_TIME_HPP

#include "measure.hpp"

#include <weft/weft.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace workloads {

// n goroutines take turns with one mutex.
inline void mutex(std::int64_t ops, std::int64_t n) {
  weft::mutex m;
  std::int64_t count = 0;
  auto use = [&](std::int64_t times) {
    for (std::int64_t i = 0; i < times; ++i) {
      m.lock();
      ++count;
      m.unlock();
    }
  };
  if (n == 1) {
    use(ops);
  } else {
    weft::wait_group all;
    for (std::int64_t g = 0; g < n; ++g) {
      all.go([&] { use(ops / n); });
    }
    all.wait();
    watch.operations(ops / n * n);
  }
  expect(count, ops / n * n);
}

// A timer is set and stopped while n - 1 others are set.
inline void timer(std::int64_t ops, std::int64_t n) {
  using namespace std::chrono;
  std::vector<weft::timer> others;
  for (std::int64_t i = 1; i < n; ++i) {
    others.emplace_back(hours(1) + milliseconds(i));
  }
  weft::timer t(hours(1));
  watch.restart();
  for (std::int64_t i = 0; i < ops; ++i) {
    t.reset(hours(1));
    t.stop();
  }
  watch.stop();
}

}  // namespace workloads

#endif
