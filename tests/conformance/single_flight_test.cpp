// single_flight: golang.org/x/sync/singleflight's tests where it has one.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using weft_test::until_parked;

TEST_CASE("TestDo", "[single_flight]") {
  weft::single_flight<std::string, std::string> g;
  const auto r = g.run("key", [] { return "bar"; });
  CHECK(r.value == "bar");
  CHECK_FALSE(r.shared);
  // Nothing is kept.
  CHECK(g.run("key", [] { return "foo"; }).value == "foo");
}

TEST_CASE("TestDoErr", "[single_flight]") {
  weft::single_flight<std::string, int> g;
  CHECK_THROWS_AS(g.run("key", []() -> int { throw std::runtime_error("some"); }),
                  std::runtime_error);
  CHECK(g.run("key", [] { return 1; }).value == 1);
}

TEST_CASE("TestDoDupSuppress: calls at the same time run the function once", "[single_flight]") {
  weft::single_flight<std::string, std::string> g;
  std::atomic<int> calls = 0;
  std::atomic<int> shared = 0;
  std::atomic<int> right = 0;
  weft::chan<void> go_on;
  const auto use = [&] {
    const auto r = g.run("key", [&] {
      ++calls;
      go_on.recv();
      return std::string(100, 'x');
    });
    shared += r.shared;
    right += r.value == std::string(100, 'x');
  };
  std::thread outside;
  weft::run([&] {
    weft::wait_group group;
    const int n = 10;
    for (int i = 0; i < n; ++i) group.go(use);
    until_parked(n);
    // Another key is another flight.
    CHECK_FALSE(g.run("other", [] { return ""; }).shared);
    go_on.send();
    group.wait();
    CHECK(calls == 1);
    CHECK(shared == n);
    CHECK(right == n);
  });
}

TEST_CASE("TestPanicDo: an exception goes to all callers", "[single_flight]") {
  weft::run([] {
    weft::single_flight<int, int> g;
    std::atomic<int> calls = 0;
    std::atomic<int> caught = 0;
    weft::chan<void> go_on;
    weft::wait_group group;
    const int n = 5;
    for (int i = 0; i < n; ++i) {
      group.go([&] {
        try {
          g.run(1, [&]() -> int {
            ++calls;
            go_on.recv();
            throw std::out_of_range("all");
          });
        } catch (const std::out_of_range&) {
          ++caught;
        }
      });
    }
    until_parked(n);
    go_on.send();
    group.wait();
    CHECK(calls == 1);
    CHECK(caught == n);
    CHECK(g.run(1, [] { return 2; }).value == 2);
  });
}

TEST_CASE("TestForget", "[single_flight]") {
  weft::run([] {
    weft::single_flight<std::string, int> g;
    weft::chan<void> first_go_on;
    weft::chan<void> second_go_on;
    auto first = weft::spawn([&] {
      return g.run("key", [&] {
        first_go_on.recv();
        return 1;
      });
    });
    until_parked(1);
    g.forget("key");
    g.forget("none");
    auto second = weft::spawn([&] {
      return g.run("key", [&] {
        second_go_on.recv();
        return 2;
      });
    });
    until_parked(2);
    first_go_on.send();
    const auto a = first.get();
    CHECK(a.value == 1);
    CHECK_FALSE(a.shared);
    // The second is still the key's flight.
    auto third = weft::spawn([&] { return g.run("key", [] { return 3; }); });
    until_parked(2);
    second_go_on.send();
    const auto b = second.get();
    const auto c = third.get();
    CHECK(b.value == 2);
    CHECK(b.shared);
    CHECK(c.value == 2);
    CHECK(c.shared);
  });
}

TEST_CASE("TestGoexitDo: one that waits runs its own function then", "[single_flight]") {
  weft::run([] {
    weft::single_flight<int, int> g;
    weft::chan<void> go_on;
    weft::go([&, go_on] {
      g.run(1, [&]() -> int {
        go_on.recv();
        weft::exit_goroutine();
      });
    });
    until_parked(1);
    auto other = weft::spawn([&] { return g.run(1, [] { return 7; }); });
    until_parked(2);
    go_on.send();
    const auto r = other.get();
    CHECK(r.value == 7);
    CHECK_FALSE(r.shared);
  });
}

TEST_CASE("a flight left by its run's end is flown by another", "[single_flight][end]") {
  weft::single_flight<int, int> g;
  weft::runtime other;
  std::atomic<int> got = 0;
  weft::run([&] {
    weft::go([&] { g.run(1, [] { return *weft::chan<int>().recv(); }); });
    until_parked(1);
    other.go([&] { got = g.run(1, [] { return 5; }).value; });
    while (other.stats().parked < 1) weft::yield();
  });
  while (got == 0) std::this_thread::yield();
  CHECK(got == 5);
}

TEST_CASE("many keys, many callers", "[single_flight]") {
  const int each = weft_test::scaled(1000);
  std::atomic<int> wrong = 0;
  weft::single_flight<int, std::vector<int>> g;
  const auto use = [&] {
    for (int i = 0; i < each; ++i) {
      const int key = i % 3;
      const auto r = g.run(key, [&] {
        if (i % 5 == 0) weft::yield();
        return std::vector<int>(10, key);
      });
      if (r.value != std::vector<int>(10, key)) ++wrong;
      if (i % 50 == 0) g.forget(key);
    }
  };
  std::thread outside(use);
  weft::run([&] {
    weft::wait_group group;
    for (int k = 0; k < 6; ++k) group.go(use);
    group.wait();
  });
  outside.join();
  CHECK(wrong == 0);
}
