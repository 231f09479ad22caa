// What one run of a workload measures, and how it checks that it did its work.
#ifndef WEFT_BENCH_MEASURE_HPP
#define WEFT_BENCH_MEASURE_HPP

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace workloads {

// The time from start() to stop(). A workload that sets something up which does not count calls
// start() again, and one that tears something down calls stop() before; one that rounds the number
// of its operations says how many it did. Global, since a process measures one thing at a time.
class stopwatch {
 public:
  using clock = std::chrono::steady_clock;

  void start(std::int64_t operations) {
    operations_ = operations;
    stopped_ = false;
    start_ = clock::now();
  }
  void restart() { start_ = clock::now(); }
  void stop() {
    if (!stopped_) {
      stop_ = clock::now();
      stopped_ = true;
    }
  }
  void operations(std::int64_t n) { operations_ = n; }
  [[nodiscard]] std::int64_t operations() const { return operations_; }
  [[nodiscard]] double ns_per_operation() const {
    return std::chrono::duration<double, std::nano>(stop_ - start_).count() /
           static_cast<double>(operations_);
  }

 private:
  clock::time_point start_, stop_;
  std::int64_t operations_ = 1;
  bool stopped_ = false;
};

inline stopwatch watch;

inline void expect(std::int64_t got, std::int64_t want) {
  if (got != want) {
    throw std::runtime_error("got " + std::to_string(got) + " instead of " + std::to_string(want));
  }
}

// The values 0 to ops - 1 have all arrived, each once.
inline void check(std::int64_t sum, std::int64_t ops) { expect(sum, ops * (ops - 1) / 2); }

}  // namespace workloads

#endif
