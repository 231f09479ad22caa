// The scheduler: the same results for every number of workers, many goroutines, many runs.
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <weft/weft.hpp>

#include "conformance/collect.hpp"
#include "stack/stack_pool.hpp"
#include "support/catch.hpp"
#include "support/fd_count.hpp"
#include "support/scale.hpp"
#include "support/threads.hpp"
#include "unit/guard_probe.hpp"

using namespace std::chrono_literals;
using weft_test::comes_down_to;
using weft_test::thread_count;

namespace {

std::vector<int> sieve(int n) {
  weft::chan<int> numbers;
  weft::go([numbers] {
    for (int i = 2;; ++i) numbers.send(i);
  });
  std::vector<int> primes;
  for (weft::chan<int> in = numbers; int(primes.size()) < n;) {
    const int prime = *in.recv();
    primes.push_back(prime);
    weft::chan<int> out;
    weft::go([in, out, prime] {
      for (const int i : in) {
        if (i % prime != 0) out.send(i);
      }
    });
    in = out;
  }
  return primes;
}

long fibonacci(int n) {
  if (n < 2) return n;
  auto first = weft::spawn(fibonacci, n - 1);
  const long second = fibonacci(n - 2);
  return first.get() + second;
}

// Channels, joins, mutexes, sleeps and computation; what it returns follows from nothing else.
std::string workload() {
  std::string result;
  for (const int p : sieve(20)) result += std::to_string(p) + ' ';
  result += std::to_string(fibonacci(weft_test::under_tsan ? 8 : 13)) + ' ';
  weft::mutex m;
  long sum = 0;
  {
    weft::wait_group group;
    for (int i = 0; i < 200; ++i) {
      group.go([&, i] {
        if (i % 10 == 0) weft::sleep_for(std::chrono::microseconds(i));
        if (i % 3 == 0) weft::yield();
        std::lock_guard guard(m);
        const long seen = sum;
        if (i % 7 == 0) weft::yield();
        sum = seen + i;
      });
    }
  }
  return result + std::to_string(sum);
}

}  // namespace

TEST_CASE("one workload, any number of workers, one result") {
  const unsigned workers = GENERATE(1u, 2u, 8u, 64u);
  CAPTURE(workers);
  const std::string expected =
      weft_test::under_tsan ? "2 3 5 7 11 13 17 19 23 29 31 37 41 43 47 53 59 61 67 71 21 19900"
                            : "2 3 5 7 11 13 17 19 23 29 31 37 41 43 47 53 59 61 67 71 233 19900";
  for (int round = 0; round < 5; ++round) {
    weft::run({.workers = workers}, [&] {
      CHECK(weft::workers() == workers);
      CHECK(workload() == expected);
    });
  }
}

TEST_CASE("many spawns from several goroutines") {
  const unsigned workers = GENERATE(1u, 2u, 8u);
  const std::size_t each = weft_test::scaled(60'000);
  std::atomic<std::size_t> ran = 0;
  weft::run({.workers = workers}, [&] {
    const auto before = weft::stats().spawned;
    weft::wait_group group;
    for (int s = 0; s < 4; ++s) {
      group.go([&] {
        for (std::size_t i = 0; i < each; ++i) {
          group.go([&] { ran.fetch_add(1, std::memory_order_relaxed); });
          if (i % 1000 == 0) weft::yield();
        }
      });
    }
    group.wait();
    CHECK(weft::stats().spawned == before + 4 * each + 4);
    while (weft::num_goroutines() > 1) weft::yield();
  });
  CHECK(ran == 4 * each);
}

TEST_CASE("100,000 parked goroutines, each on a guarded stack, are woken by a close") {
  const unsigned workers = GENERATE(1u, 8u);
  const std::size_t n = weft_test::scaled(90'000) + weft_test::scaled(10'000) / 2;
  std::atomic<std::size_t> woken = 0;
  weft::run({.workers = workers}, [&] {
    weft::chan<int> gate;
    weft::wait_group group;
    for (std::size_t i = 0; i < n; ++i) {
      group.go([&] {
        if (!gate.recv()) woken.fetch_add(1, std::memory_order_relaxed);
      });
    }
    weft_test::until_parked(n);
    CHECK(weft::num_goroutines() == n + 1);
    const auto stats = weft::stats();
    CHECK(stats.stacks >= n);
    if (weft_test::kernel_has_guards()) CHECK(stats.unguarded_stacks == 0);
    CHECK(woken == 0);
    gate.close();
    group.wait();
  });
  CHECK(woken == n);
}

TEST_CASE("parked goroutines of a run that ends are all unwound") {
  const std::size_t n = weft_test::scaled(50'000);
  std::atomic<std::size_t> unwound = 0;
  weft::run([&] {
    for (std::size_t i = 0; i < n; ++i) {
      weft::go([&] {
        const weft_test::at_end count([&] { unwound.fetch_add(1, std::memory_order_relaxed); });
        weft::chan<int>().recv();
      });
    }
    weft_test::until_parked(n);
  });
  CHECK(unwound == n);
}

// On one that another runtime has, an end that goes over the stacks could claim a wait that is not
// its own.
TEST_CASE("while a run ends the stacks of its goroutines stay with it") {
  constexpr std::size_t size = 52 << 10;  // nobody else's
  auto& pool = weft::detail::stack_pool::of_size(size);
  std::atomic<int> went_to_the_pool = 0;
  struct at_end {
    weft::detail::stack_pool& pool;
    std::atomic<int>& n;
    ~at_end() { n += pool.has_idle() ? 1 : 0; }
  };
  weft::run({.workers = 1, .stack_size = size}, [&] {
    const weft::chan<void> never;
    for (int i = 0; i < 300; ++i) {  // more than a worker keeps
      weft::go([&, never] {
        const at_end look{pool, went_to_the_pool};
        never.recv();
      });
    }
    while (weft::stats().parked < 300) weft::yield();
    void* block = nullptr;
    while (pool.has_idle()) pool.take(&block, 1);  // these are the process's loss
  });
  CHECK(went_to_the_pool == 0);
  CHECK(pool.has_idle());
}

TEST_CASE("counters move as they should") {
  weft::run({.workers = 2}, [] {
    const auto before = weft::stats();
    CHECK(before.workers == 2);
    CHECK(before.goroutines == 1);
    CHECK(before.spawned == 1);
    CHECK(before.threads >= 1);
    CHECK(before.threads <= 3);
    weft::chan<void> gate;
    weft::wait_group group;
    for (int i = 0; i < 10; ++i) group.go([&] { gate.recv(); });
    for (int i = 0; i < 5; ++i) group.go([&] { gate.recv_for(1h); });
    weft_test::until_parked(15);
    const auto parked = weft::stats();
    CHECK(parked.goroutines == 16);
    CHECK(parked.spawned == 16);
    CHECK(parked.timers == 5);
    CHECK(parked.runnable == 0);
    CHECK(parked.switches >= before.switches + 15);
    gate.close();
    group.wait();
    while (weft::num_goroutines() > 1) weft::yield();
    const auto after = weft::stats();
    CHECK(after.goroutines == 1);
    CHECK(after.timers == 0);
    CHECK(after.switches > parked.switches);
    CHECK(after.abandoned == before.abandoned);
  });
}

TEST_CASE("200 runs leave no descriptor and no thread behind") {
  weft::run([] {});
  const std::size_t descriptors = weft_test::fd_count();
  const std::size_t threads = thread_count();
  for (int i = 0; i < int(weft_test::scaled(200)) + 5; ++i) {
    const int got = weft::run({.workers = 1 + unsigned(i) % 4}, [i] {
      weft::chan<int> c;
      weft::go([=] { c.send(i); });
      weft::go([=] { c.send_for(0, 1h); });  // some are left
      weft::go([] { weft::sleep_for(1h); });
      int sum = 0;
      if (i % 2 == 0) {
        auto ends = weft::pipe();
        ends.writer.write("x");
        sum += weft::wait_readable(ends.reader.get()) == weft::wait_status::ready;
      }
      return sum;
    });
    REQUIRE(got == (i % 2 == 0));
    REQUIRE(weft_test::fd_count() == descriptors);
  }
  CHECK(comes_down_to(threads));
}

TEST_CASE("runtimes side by side") {
  weft::run([] {});  // a sanitizer's own thread comes with the first
  const std::size_t descriptors = weft_test::fd_count();
  const std::size_t threads = thread_count();
  {
    std::vector<std::unique_ptr<weft::runtime>> runtimes;
    for (unsigned i = 0; i < 6; ++i) {
      runtimes.push_back(std::make_unique<weft::runtime>(weft::options{.workers = 1 + i % 3}));
    }
    // A ring through all of them.
    std::vector<weft::chan<int>> links(runtimes.size() + 1);
    for (std::size_t i = 0; i < runtimes.size(); ++i) {
      links[i + 1] = weft::chan<int>(i % 3);
      runtimes[i]->go([in = links[i], out = links[i + 1]] {
        for (const int v : in) out.send(v + 1);
        out.close();
      });
    }
    std::thread sends([in = links.front()] {
      for (int i = 0; i < 300; ++i) in.send(i);
      in.close();
    });
    std::vector<int> got;
    for (const int v : links.back()) got.push_back(v);
    sends.join();
    REQUIRE(got.size() == 300);
    for (int i = 0; i < 300; ++i) REQUIRE(got[std::size_t(i)] == i + int(runtimes.size()));
    for (auto& r : runtimes) CHECK(r->run([] { return fibonacci(5); }) == 5);
  }
  CHECK(weft_test::fd_count() == descriptors);
  CHECK(comes_down_to(threads));
}
