// latch: the standard's interface.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <limits>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <vector>

using namespace std::chrono_literals;
using weft_test::until_parked;

static_assert(weft::latch::max() > std::numeric_limits<int>::max());
static_assert(!std::is_copy_constructible_v<weft::latch>);
static_assert(std::is_constructible_v<weft::latch, std::ptrdiff_t>);

TEST_CASE("a latch opens at zero and stays open", "[latch]") {
  weft::latch l(3);
  CHECK_FALSE(l.try_wait());
  l.count_down();
  l.count_down(0);
  CHECK_FALSE(l.try_wait());
  CHECK_FALSE(l.wait_for(1ms));
  l.count_down(2);
  CHECK(l.try_wait());
  l.wait();
  l.wait();
  CHECK(l.wait_for(0ms));
  CHECK(l.wait_until(weft::clock::now()));
  const weft::latch open(0);
  CHECK(open.try_wait());
  open.wait();
}

TEST_CASE("misuse of a latch throws", "[latch]") {
  CHECK_THROWS_AS(weft::latch(-1), std::invalid_argument);
  weft::latch l(2);
  CHECK_THROWS_AS(l.count_down(3), std::logic_error);
  CHECK_THROWS_AS(l.count_down(-1), std::logic_error);
  CHECK_THROWS_AS(l.arrive_and_wait(3), std::logic_error);
  l.count_down(2);
  CHECK(l.try_wait());
  CHECK_THROWS_AS(l.count_down(), std::logic_error);
}

TEST_CASE("goroutines and threads wait for a latch", "[latch]") {
  const int count = weft_test::scaled(200);
  weft::latch l(2);
  std::atomic<int> through = 0;
  std::thread outside([&] {
    l.wait();
    ++through;
  });
  weft::run([&] {
    weft::wait_group group;
    for (int i = 0; i < count; ++i) {
      group.go([&] {
        l.wait();
        ++through;
      });
    }
    until_parked(count);
    l.count_down();
    CHECK(through == 0);
    l.count_down();
    group.wait();
  });
  outside.join();
  CHECK(through == count + 1);
}

TEST_CASE("arrive_and_wait of a latch", "[latch]") {
  weft::run([] {
    const int n = 10;
    weft::latch l(n + 1);
    std::atomic<int> arrived = 0;
    std::atomic<int> early = 0;
    weft::wait_group group;
    for (int i = 1; i < n; ++i) {
      group.go([&] {
        ++arrived;
        l.arrive_and_wait();
        if (arrived != n) ++early;
      });
    }
    until_parked(n - 1);
    ++arrived;
    l.arrive_and_wait(2);
    group.wait();
    CHECK(early == 0);
  });
}

TEST_CASE("wait_for of a latch", "[latch]") {
  weft::run([] {
    weft::latch l(1);
    for (auto limit : {-1ms, 0ms, 3ms}) {
      auto start = weft::clock::now();
      CHECK_FALSE(l.wait_for(limit));
      CHECK(weft::clock::now() - start >= limit);
    }
    auto waiting = weft::spawn([&] { return l.wait_for(1h); });
    auto until = weft::spawn([&] { return l.wait_until(weft::clock::now() + 1h); });
    until_parked(2);
    l.count_down();
    CHECK(waiting.get());
    CHECK(until.get());
  });
}
