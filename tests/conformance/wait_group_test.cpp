// wait_group: Go's sync/waitgroup_test.go where it has one.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft_test::until_parked;

TEST_CASE("TestWaitGroup", "[wait_group]") {
  // Two groups, and used again.
  weft::run([] {
    weft::wait_group first;
    weft::wait_group second;
    for (int round = 0; round < 8; ++round) {
      const int n = 16;
      std::atomic<int> exited = 0;
      first.add(n);
      second.add(n);
      for (int i = 0; i < n; ++i) {
        weft::go([&] {
          first.done();
          second.wait();
          ++exited;
          second.add(1);
          second.done();
        });
      }
      first.wait();
      CHECK(exited == 0);
      for (int i = 0; i < n; ++i) second.done();
      while (exited < n) weft::yield();
      second.wait();
    }
  });
}

TEST_CASE("an empty group does not wait", "[wait_group]") {
  weft::wait_group g;
  g.wait();
  CHECK(g.wait_for(0ms));
  g.add(0);
  g.wait();
  g.add(2);
  g.add(-2);
  g.wait();
}

TEST_CASE("TestWaitGroupMisuse: below zero throws", "[wait_group]") {
  weft::wait_group g;
  CHECK_THROWS_AS(g.done(), std::logic_error);
  CHECK_THROWS_AS(g.add(-1), std::logic_error);
  g.add(1);
  CHECK_THROWS_AS(g.add(-2), std::logic_error);
  g.done();
  CHECK_THROWS_AS(g.done(), std::logic_error);
  g.wait();
}

TEST_CASE("wait_for", "[wait_group]") {
  weft::run([] {
    weft::wait_group g;
    g.add(1);
    for (auto limit : {0ms, 1ms, 5ms}) {
      auto start = weft::clock::now();
      CHECK_FALSE(g.wait_for(limit));
      CHECK(weft::clock::now() - start >= limit);
    }
    auto waiting = weft::spawn([&] { return g.wait_for(1h); });
    until_parked(1);
    g.done();
    CHECK(waiting.get());
    CHECK(g.wait_for(0ms));
    CHECK(g.wait_for(std::chrono::hours::max()));
  });
}

TEST_CASE("all that wait are woken", "[wait_group]") {
  const int count = weft_test::scaled(200);
  weft::wait_group g;
  g.add(1);
  std::atomic<int> woken = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      g.wait();
      ++woken;
    });
  }
  weft::run([&] {
    weft::wait_group waiting;
    for (int i = 0; i < count; ++i) {
      waiting.go([&] {
        g.wait();
        ++woken;
      });
    }
    until_parked(count);
    CHECK(woken == 0);
    g.add(3);
    g.add(-3);
    CHECK(woken == 0);
    g.done();
    waiting.wait();
  });
  for (auto& t : threads) t.join();
  CHECK(woken == count + 2);
}

TEST_CASE("TestWaitGroupGo", "[wait_group]") {
  const int count = weft_test::scaled(1000);
  std::atomic<int> ran = 0;
  auto token = std::make_shared<int>(0);
  weft::run([&] {
    weft::wait_group g;
    for (int i = 0; i < count; ++i) {
      g.go([&ran, token] {
        weft::yield();
        ++ran;
      });
    }
    auto p = std::make_unique<int>(1);
    g.go([&ran, p = std::move(p)] { ran += *p; });
    g.wait();
    CHECK(ran == count + 1);
    // Each callable is destroyed before it is counted as ended.
    CHECK(token.use_count() == 1);
  });
}

TEST_CASE("the destructor waits for what go started", "[wait_group]") {
  std::atomic<int> ended = 0;
  weft::run([&] {
    {
      weft::wait_group g;
      for (int i = 0; i < 10; ++i) {
        g.go([&] {
          weft::sleep_for(1ms);
          ++ended;
        });
      }
    }
    CHECK(ended == 10);
  });
  {
    weft::wait_group g;
    for (int i = 0; i < 10; ++i) {
      g.go([&] {
        weft::yield();
        ++ended;
      });
    }
  }
  CHECK(ended == 20);
}

TEST_CASE("the destructor waits while an exception unwinds main", "[wait_group]") {
  std::atomic<int> ended = 0;
  CHECK_THROWS_AS(weft::run([&] {
                    weft::wait_group g;
                    for (int i = 0; i < 10; ++i) {
                      g.go([&] {
                        weft::yield();
                        ++ended;
                      });
                    }
                    throw std::out_of_range("main");
                  }),
                  std::out_of_range);
  CHECK(ended == 10);
}

TEST_CASE("exit_goroutine and exceptions count as ended", "[wait_group]") {
  weft::options o;
  std::atomic<int> uncaught = 0;
  o.on_uncaught = [&](std::exception_ptr, std::string_view) { ++uncaught; };
  weft::run(o, [] {
    weft::wait_group g;
    g.go([] { weft::exit_goroutine(); });
    g.go([] { throw 1; });
    g.go([] {});
    g.wait();
  });
  CHECK(uncaught == 1);
}

TEST_CASE("goroutines of a group may start more of it", "[wait_group]") {
  std::atomic<int> ran = 0;
  const int depth = weft_test::under_tsan ? 6 : 11;
  weft::run([&] {
    weft::wait_group g;
    std::function<void(int)> split = [&](int n) {
      ++ran;
      if (n == 0) return;
      g.go([&, n] { split(n - 1); });
      g.go([&, n] { split(n - 1); });
    };
    split(depth);
    g.wait();
  });
  CHECK(ran == (1 << (depth + 1)) - 1);
}

TEST_CASE("TestWaitGroupRace: wait and the last done", "[wait_group]") {
  // The group may be destroyed as soon as wait has returned.
  const int rounds = weft_test::scaled(5000);
  weft::run([rounds] {
    for (int i = 0; i < rounds; ++i) {
      auto g = std::make_unique<weft::wait_group>();
      std::atomic<int> counted = 0;
      g->add(2);
      for (int k = 0; k < 2; ++k) {
        weft::go([&counted, p = g.get()] {
          ++counted;
          p->done();
        });
      }
      g->wait();
      g.reset();
      REQUIRE(counted == 2);
    }
  });
}

TEST_CASE("what happened before done is seen after wait", "[wait_group]") {
  const int rounds = weft_test::scaled(2000);
  weft::run([rounds] {
    for (int i = 0; i < rounds; ++i) {
      int plain = 0;
      weft::wait_group g;
      g.add(1);
      weft::go([&] {
        plain = i;
        g.done();
      });
      g.wait();
      REQUIRE(plain == i);
    }
  });
}

TEST_CASE("TestWaitGroupAddWhileWaiting: add while another waits", "[wait_group]") {
  weft::run([] {
    weft::wait_group g;
    g.add(1);
    std::atomic<int> through = 0;
    auto first = weft::spawn([&] {
      g.wait();
      ++through;
    });
    until_parked(1);
    g.add(1);
    g.done();
    for (int i = 0; i < 10; ++i) weft::yield();
    CHECK(through == 0);
    auto second = weft::spawn([&] {
      g.wait();
      ++through;
    });
    until_parked(2);
    g.add(2);
    CHECK_THROWS_AS(g.add(-4), std::logic_error);
    CHECK(through == 0);
    g.add(-3);
    first.get();
    second.get();
    CHECK(through == 2);
  });
}

TEST_CASE("a wait group is used again while earlier waits still return", "[wait_group]") {
  // Those of one phase may be on their way out when the next phase begins; none of them may be
  // kept by it.
  const int phases = weft_test::scaled(1000);
  weft::run([phases] {
    weft::wait_group g;
    for (int p = 0; p < phases; ++p) {
      weft::wait_group waiters;
      g.add(1);
      for (int i = 0; i < 3; ++i) {
        waiters.go([&] { g.wait(); });
      }
      weft::yield();
      g.done();
      waiters.wait();
    }
    g.wait();
  });
  SUCCEED();
}
