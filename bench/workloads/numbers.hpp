// What the workloads are to compute, computed without goroutines. Shared with the C++ peers.
#ifndef WEFT_BENCH_NUMBERS_HPP
#define WEFT_BENCH_NUMBERS_HPP

#include <cstddef>
#include <cstdint>
#include <vector>

namespace workloads {

inline std::int64_t fib_number(std::int64_t n) {
  std::int64_t a = 0, b = 1;
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t next = a + b;
    a = b;
    b = next;
  }
  return a;
}

// fib(n) starts fib(n + 1) - 1 goroutines when one of its two calls is one.
struct fib_size {
  std::int64_t n, spawned;
};

// The largest that starts at most `most` of them.
inline fib_size fib_with_spawns(std::int64_t most) {
  std::int64_t n = 2;
  while (fib_number(n + 2) - 1 <= most) {
    ++n;
  }
  return {n, fib_number(n + 1) - 1};
}

// The largest power of ten that is not above n.
inline std::int64_t power_of_ten(std::int64_t n) {
  std::int64_t p = 1;
  while (p * 10 <= n) {
    p *= 10;
  }
  return p;
}

inline std::int64_t nth_prime(std::int64_t n) {
  std::vector<std::int64_t> primes;
  for (std::int64_t i = 2; static_cast<std::int64_t>(primes.size()) < n; ++i) {
    bool prime = true;
    for (std::size_t k = 0; k < primes.size() && primes[k] * primes[k] <= i && prime; ++k) {
      prime = i % primes[k] != 0;
    }
    if (prime) {
      primes.push_back(i);
    }
  }
  return primes.back();
}

}  // namespace workloads

#endif
