// semaphore: golang.org/x/sync/semaphore's tests where it has one.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <chrono>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using weft_test::until_parked;

TEST_CASE("TestWeighted: never more than n permits are out", "[semaphore]") {
  const int each = weft_test::scaled(1000);
  const int n = 7;
  weft::semaphore permits(n);
  std::atomic<int> out = 0;
  std::atomic<int> wrong = 0;
  const auto work = [&](int k) {
    for (int i = 0; i < each; ++i) {
      permits.acquire(k);
      if ((out += k) > n) ++wrong;
      if (i % 16 == 0) weft::yield();
      out -= k;
      permits.release(k);
    }
  };
  std::thread outside([&] { work(3); });
  weft::run([&] {
    weft::wait_group group;
    for (int k = 1; k <= n; ++k) group.go([&, k] { work(k); });
    group.wait();
  });
  outside.join();
  CHECK(wrong == 0);
  CHECK(permits.try_acquire(n));
}

TEST_CASE("TestWeightedTryAcquire", "[semaphore]") {
  weft::semaphore s(2);
  CHECK(s.try_acquire());
  CHECK(s.try_acquire(1));
  CHECK_FALSE(s.try_acquire());
  s.release(2);
  CHECK(s.try_acquire(2));
  CHECK_FALSE(s.try_acquire(1));
  CHECK(s.try_acquire(0));
  s.release();
  s.release();
}

TEST_CASE("TestWeightedPanic: misuse throws", "[semaphore]") {
  weft::semaphore s(2);
  CHECK_THROWS_AS(s.acquire(3), std::invalid_argument);
  CHECK_THROWS_AS(s.try_acquire(3), std::invalid_argument);
  CHECK_THROWS_AS(s.try_acquire_for(3, 1ms), std::invalid_argument);
  CHECK_THROWS_AS(s.acquire(-1), std::invalid_argument);
  CHECK_THROWS_AS(s.release(), std::logic_error);
  s.acquire();
  CHECK_THROWS_AS(s.release(2), std::logic_error);
  CHECK_THROWS_AS(s.release(-1), std::logic_error);
  s.release();
  CHECK_THROWS_AS(weft::semaphore(-1), std::invalid_argument);
  weft::semaphore none(0);
  CHECK_THROWS_AS(none.acquire(), std::invalid_argument);
  CHECK_THROWS_AS(none.release(), std::logic_error);
  // Nothing of this has changed anything.
  CHECK(s.try_acquire(2));
}

TEST_CASE("a semaphore is first come, first served", "[semaphore]") {
  weft::run([] {
    weft::semaphore s(1);
    s.acquire();
    std::vector<int> order;
    weft::mutex m;
    weft::wait_group group;
    const int n = 10;
    for (int i = 0; i < n; ++i) {
      group.go([&, i] {
        s.acquire();
        {
          std::lock_guard lock(m);
          order.push_back(i);
        }
        s.release();
      });
      until_parked(i + 1);
    }
    s.release();
    group.wait();
    for (int i = 0; i < n; ++i) CHECK(order[std::size_t(i)] == i);
  });
}

TEST_CASE("TestLargeAcquireDoesntStarve: small requests do not overtake a large one",
          "[semaphore]") {
  weft::run([] {
    weft::semaphore s(3);
    s.acquire(2);
    std::string order;
    weft::mutex m;
    const auto note = [&](char c) {
      std::lock_guard lock(m);
      order += c;
    };
    auto large = weft::spawn([&] {
      s.acquire(3);
      note('L');
      s.release(3);
    });
    until_parked(1);
    // One is there, but somebody was first.
    CHECK_FALSE(s.try_acquire());
    CHECK_FALSE(s.try_acquire_for(1, 1ms));
    auto small = weft::spawn([&] {
      s.acquire();
      note('s');
      s.release();
    });
    until_parked(2);
    s.release();
    CHECK(order.empty());
    s.release();
    large.get();
    small.get();
    CHECK(order == "Ls");
  });
  // And for ever: the small ones always hold some.
  const int wanted = weft_test::scaled(20);
  weft::run([wanted] {
    weft::semaphore s(4);
    std::atomic<bool> stop = false;
    weft::wait_group small;
    for (int i = 0; i < 8; ++i) {
      small.go([&] {
        while (!stop) {
          s.acquire();
          weft::yield();
          s.release();
        }
      });
    }
    for (int i = 0; i < wanted; ++i) {
      s.acquire(4);
      s.release(4);
    }
    stop = true;
    small.wait();
  });
}

TEST_CASE("try_acquire_for waits so long", "[semaphore]") {
  weft::run([] {
    weft::semaphore s(2);
    CHECK(s.try_acquire_for(2, 0ms));
    for (auto limit : {-1ms, 0ms, 2ms}) {
      auto start = weft::clock::now();
      CHECK_FALSE(s.try_acquire_for(1, limit));
      CHECK(weft::clock::now() - start >= limit);
      CHECK_FALSE(s.try_acquire_for(limit));
    }
    CHECK_FALSE(s.try_acquire_until(weft::clock::now() + 1ms));
    auto waiting = weft::spawn([&] { return s.try_acquire_for(2, 1h); });
    until_parked(1);
    s.release();
    s.release();
    CHECK(waiting.get());
    CHECK_FALSE(s.try_acquire());
  });
}

TEST_CASE("a request that gives up lets in those behind it", "[semaphore]") {
  weft::run([] {
    weft::semaphore s(3);
    s.acquire(2);
    auto large = weft::spawn([&] { return s.try_acquire_for(3, 5ms); });
    until_parked(1);
    auto small = weft::spawn([&] { s.acquire(); });
    until_parked(2);
    small.get();
    CHECK_FALSE(large.get());
    CHECK_FALSE(s.try_acquire());
  });
}

TEST_CASE("TestWeightedDoesntBlockIfTooBig: one that fails takes nothing", "[semaphore]") {
  weft::run([] {
    weft::semaphore s(2);
    s.acquire();
    for (int i = 0; i < 10; ++i) CHECK_FALSE(s.try_acquire_for(2, 10us));
    s.release();
    CHECK(s.try_acquire(2));
  });
}

TEST_CASE("permits that a run's end meets are not lost", "[semaphore][end]") {
  const int rounds = weft_test::scaled(200);
  weft::semaphore s(1);
  for (int i = 0; i < rounds; ++i) {
    std::thread releaser;
    weft::run([&] {
      s.acquire();
      for (int g = 0; g < 3; ++g) {
        weft::go([&] {
          s.acquire();
          s.release();
        });
      }
      until_parked(3);
      releaser = std::thread([&] { s.release(); });
    });
    releaser.join();
    REQUIRE(s.try_acquire());
    s.release();
  }
}
