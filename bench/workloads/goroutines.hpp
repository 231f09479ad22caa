// Starting goroutines, waiting for them, and switching between them.
#ifndef WEFT_BENCH_GOROUTINES_HPP
#define WEFT_BENCH_GOROUTINES_HPP

#include "measure.hpp"
#include "numbers.hpp"

#include <weft/weft.hpp>

#include <cstdint>

namespace workloads {

inline void spawn(std::int64_t ops, std::int64_t) {
  weft::wait_group all;
  all.add(ops);
  for (std::int64_t i = 0; i < ops; ++i) {
    weft::go([&all] { all.done(); });
  }
  all.wait();
}

inline void spawn_join(std::int64_t ops, std::int64_t) {
  std::int64_t sum = 0;
  for (std::int64_t i = 0; i < ops; ++i) {
    sum += weft::spawn([i] { return i; }).get();
  }
  check(sum, ops);
}

inline void yield(std::int64_t ops, std::int64_t) {
  weft::wait_group both;
  for (int i = 0; i < 2; ++i) {
    both.go([ops] {
      for (std::int64_t j = 0; j < ops / 2; ++j) {
        weft::yield();
      }
    });
  }
  both.wait();
}

// One of the two calls is a goroutine of its own, down to the leaves.
inline std::int64_t fib_of(std::int64_t n) {
  if (n < 2) {
    return n;
  }
  auto first = weft::spawn(fib_of, n - 1);
  const std::int64_t second = fib_of(n - 2);
  return first.get() + second;
}

inline void fib(std::int64_t ops, std::int64_t) {
  const auto [n, spawned] = fib_with_spawns(ops);
  watch.operations(spawned);
  expect(fib_of(n), spawned + 1 - fib_number(n - 1));
}

inline void skynet_node(weft::send_chan<std::int64_t> result, std::int64_t first,
                        std::int64_t leaves) {
  if (leaves == 1) {
    result.send(first);
    return;
  }
  weft::chan<std::int64_t> parts;
  for (std::int64_t i = 0; i < 10; ++i) {
    weft::go(skynet_node, parts, first + i * (leaves / 10), leaves / 10);
  }
  std::int64_t sum = 0;
  for (int i = 0; i < 10; ++i) {
    sum += *parts.recv();
  }
  result.send(sum);
}

inline void skynet(std::int64_t ops, std::int64_t) {
  const std::int64_t leaves = power_of_ten(ops);
  watch.operations(leaves);
  weft::chan<std::int64_t> result;
  weft::go(skynet_node, result, 0, leaves);
  check(*result.recv(), leaves);
}

}  // namespace workloads

#endif
