// Starting and ending: trees, floods, threads that start, runs that end in the middle of things.
#include "conformance/collect.hpp"
#include "stress/chance.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

namespace {

// The skynet benchmark: a tree whose leaves number themselves and whose nodes add up.
void skynet(weft::chan<long> up, long number, long size) {
  if (size == 1) {
    up.send(number);
    return;
  }
  weft::chan<long> down;
  for (long i = 0; i < 10; ++i) {
    weft::go(skynet, down, number + i * (size / 10), size / 10);
  }
  long sum = 0;
  for (int i = 0; i < 10; ++i) sum += *down.recv();
  up.send(sum);
}

long fibonacci(int n) {
  if (n < 2) return n;
  auto first = weft::spawn(fibonacci, n - 1);
  const long second = fibonacci(n - 2);
  return first.get() + second;
}

}  // namespace

TEST_CASE("skynet", "[stress][spawn]") {
  const long size = weft_test::under_tsan ? 100 : weft_test::under_asan ? 1000 : 100000;
  CHECK(weft::run([size] {
    weft::chan<long> result;
    weft::go(skynet, result, 0L, size);
    return *result.recv();
  }) == size * (size - 1) / 2);
}

TEST_CASE("fork and join", "[stress][spawn]") {
  const int n = weft_test::under_tsan ? 10 : weft_test::under_asan ? 15 : 21;
  long expected = 0;
  for (long a = 0, b = 1, i = 0; i <= n; ++i) {
    expected = a;
    b += a;
    a = b - a;
  }
  CHECK(weft::run([n] { return fibonacci(n); }) == expected);
}

TEST_CASE("floods from threads and goroutines", "[stress][spawn]") {
  const int each = weft_test::scaled(20000);
  std::atomic<int> ran = 0;
  weft::runtime rt;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < each; ++i) rt.go([&ran] { ++ran; });
    });
  }
  rt.run([&] {
    weft::wait_group group;
    for (int g = 0; g < 3; ++g) {
      group.go([&] {
        for (int i = 0; i < each; ++i) weft::go([&ran] { ++ran; });
      });
    }
    group.wait();
  });
  for (auto& t : threads) t.join();
  rt.run([&] {
    while (ran < 6 * each) weft::yield();
  });
  CHECK(ran == 6 * each);
}

TEST_CASE("handles are dropped, moved and asked while goroutines end", "[stress][spawn]") {
  const int rounds = weft_test::scaled(20000);
  auto token = std::make_shared<int>(0);
  const long sum = weft::run([&] {
    long sum = 0;
    for (int i = 0; i < rounds; ++i) {
      auto handle = weft::spawn([token, i] {
        if (i % 3 == 0) weft::yield();
        return std::make_pair(token, i);
      });
      switch (i % 5) {
        case 0: break;
        case 1: sum += handle.get().second; break;
        case 2: handle.wait(); break;
        case 3: {
          auto moved = std::move(handle);
          weft::yield();
          if (moved.done()) sum += 0;
          break;
        }
        default: weft::go([handle = std::move(handle)]() mutable { handle.wait(); });
      }
    }
    while (weft::num_goroutines() > 1) weft::yield();
    return sum;
  });
  long expected = 0;
  for (int i = 1; i < rounds; i += 5) expected += i;
  CHECK(sum == expected);
  CHECK(token.use_count() == 1);
}

TEST_CASE("runs that end in the middle of things", "[stress][end]") {
  const std::uint64_t seed = weft_test::first_seed();
  CAPTURE(seed);
  const int rounds = weft_test::scaled(300);
  auto token = std::make_shared<int>(0);
  std::atomic<int> alive = 0;
  struct present {
    std::atomic<int>* count;
    std::shared_ptr<int> token;
    explicit present(std::atomic<int>& c, std::shared_ptr<int> t) : count(&c), token(std::move(t)) {
      ++*count;
    }
    ~present() { --*count; }
  };
  for (int round = 0; round < rounds; ++round) {
    // They outlive main's function, since goroutines that unwind still use them.
    weft::mutex m;
    weft::wait_group open;
    open.add(1);
    auto ends = weft::pipe();
    weft::run([&] {
      weft_test::chance pick(seed + std::uint64_t(round));
      weft::chan<std::shared_ptr<int>> c(std::size_t(pick.below(3)));
      const int count = 5 + pick.below(30);
      for (int i = 0; i < count; ++i) {
        weft::go([&, c, kind = pick.below(9)] {
          present here(alive, token);
          switch (kind) {
            case 0: c.recv(); break;
            case 1: c.send(token); break;
            case 2: weft::sleep_for(1h); break;
            case 3: for (;;) weft::yield();
            case 4:
              weft::select(weft::on_recv(c), weft::on_send(c, token), weft::on_timeout(1ms));
              break;
            case 5: {
              std::lock_guard lock(m);
              weft::sleep_for(50us);
              break;
            }
            case 6: open.wait(); break;
            case 7: weft::wait_readable(ends.reader.get(), 1h); break;
            default:
              // Starts more while the end comes.
              for (int k = 0; k < 20; ++k) {
                weft::go([&, c] {
                  present too(alive, token);
                  c.recv();
                });
                weft::yield();
              }
          }
        });
      }
      for (int i = pick.below(60); i > 0; --i) weft::yield();
    });
    REQUIRE(alive == 0);
    REQUIRE(token.use_count() == 1);
    open.done();
  }
}

TEST_CASE("runtimes that start and end side by side", "[stress][end]") {
  const int rounds = weft_test::scaled(60);
  std::atomic<int> sum = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < rounds; ++i) {
        weft::runtime rt({.workers = unsigned(1 + (i + t) % 3)});
        weft::chan<int> c;
        for (int k = 0; k < 5; ++k) rt.go([c] { c.send(1); });
        for (int k = 0; k < 4; ++k) sum += *c.recv();
      }
    });
  }
  for (auto& t : threads) t.join();
  CHECK(sum == 12 * rounds);
}
