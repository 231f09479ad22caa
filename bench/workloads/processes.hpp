// Processes.
#ifndef WEFT_BENCH_PROCESSES_HPP
#define WEFT_BENCH_PROCESSES_HPP

#include "measure.hpp"

#include <weft/weft.hpp>

#include <cstdint>

namespace workloads {

inline bool run_true() {
  weft::command c("/bin/true");
  c.stdin_from(weft::stdio::null).stdout_to(weft::stdio::null).stderr_to(weft::stdio::null);
  return c.run().ok();
}

// n at once: each of n goroutines starts a process and waits for it, again and again.
inline void process(std::int64_t ops, std::int64_t n) {
  if (n == 1) {
    for (std::int64_t i = 0; i < ops; ++i) {
      expect(run_true(), true);
    }
    return;
  }
  const std::int64_t each = ops < n ? 1 : ops / n;
  watch.operations(each * n);
  weft::task_group all;
  for (std::int64_t g = 0; g < n; ++g) {
    all.go([=] {
      for (std::int64_t i = 0; i < each; ++i) {
        expect(run_true(), true);
      }
    });
  }
  all.wait();
}

}  // namespace workloads

#endif
