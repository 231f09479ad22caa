// set_workers: more and fewer, while goroutines run.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <chrono>
#include <stdexcept>

using namespace std::chrono_literals;

TEST_CASE("workers() gives the new number at once", "[set_workers]") {
  weft::run({.workers = 2, .max_threads = 8}, [] {
    for (const unsigned n : {1u, 8u, 3u, 2u, 5u}) {
      weft::set_workers(n);
      CHECK(weft::workers() == n);
      CHECK(weft::stats().workers == n);
    }
  });
}

TEST_CASE("0 and more than max_threads are refused", "[set_workers]") {
  weft::run({.workers = 2, .max_threads = 8}, [] {
    CHECK_THROWS_AS(weft::set_workers(0), std::invalid_argument);
    CHECK_THROWS_AS(weft::set_workers(9), std::invalid_argument);
    CHECK(weft::workers() == 2);
  });
}

TEST_CASE("more workers run more at the same time", "[set_workers]") {
  weft::run({.workers = 1}, [] {
    weft::set_workers(4);
    // Four that meet without ever waiting need four threads.
    std::atomic<int> here = 0;
    weft::wait_group group;
    for (int i = 0; i < 4; ++i) {
      group.go([&] {
        ++here;
        while (here < 4) {
        }
      });
    }
    group.wait();
  });
}

TEST_CASE("fewer workers run fewer at the same time", "[set_workers]") {
  weft::run({.workers = 8}, [] {
    std::atomic<bool> stop = false;
    std::atomic<int> running = 0;
    std::atomic<int> most = 0;
    weft::wait_group group;
    for (int i = 0; i < 16; ++i) {
      group.go([&] {
        while (!stop) {
          const int n = ++running;
          int seen = most.load();
          while (n > seen && !most.compare_exchange_weak(seen, n)) {
          }
          for (int k = 0; k < 200; ++k) (void)running.load();
          --running;
          weft::yield();
        }
      });
    }
    weft::sleep_for(5ms);
    weft::set_workers(1);
    // Soon: in the end at most one at a time. (A thread that the system has taken off its CPU may be
    // stood in for, so not for ever.)
    for (;;) {
      most = 0;
      weft::sleep_for(2ms);
      if (most <= 1) break;
    }
    stop = true;
    group.wait();
  });
}

TEST_CASE("nothing is lost while the number changes", "[set_workers]") {
  weft::run([] {
    const int n = int(weft_test::scaled(20'000)) + 100;
    weft::chan<int> c(4);
    weft::chan<int> d;
    weft::wait_group group;
    for (int g = 0; g < 8; ++g) {
      group.go([=] {
        for (int i = 0; i < n / 8; ++i) {
          c.send(i);
          if (i % 16 == 0) weft::sleep_for(10us);
        }
      });
      group.go([=] {
        for (int i = 0; i < n / 8; ++i) d.send(*c.recv());
      });
    }
    unsigned k = 0;
    for (int i = 0; i < n / 8 * 8; ++i) {
      d.recv();
      if (i % 50 == 0) weft::set_workers(1 + (k++ * 5) % 8);
    }
    group.wait();
  });
}

TEST_CASE("idle workers that leave are not needed, those that come find what waits",
          "[set_workers]") {
  weft::run({.workers = 4}, [] {
    for (int round = 0; round < 20; ++round) {
      weft::set_workers(1 + unsigned(round) % 4);
      weft::wait_group group;
      for (int i = 0; i < 20; ++i) group.go([] { weft::sleep_for(100us); });
      group.wait();
    }
  });
}

TEST_CASE("a deadlock is found after the number has changed", "[set_workers]") {
  for (const unsigned n : {1u, 2u, 6u}) {
    CHECK_THROWS_AS(weft::run([&] {
                      weft::set_workers(n);
                      weft::go([] { weft::chan<int>(nullptr).recv(); });
                      weft::chan<int>().recv();
                    }),
                    weft::deadlock_error);
  }
}

TEST_CASE("from a plain thread it is the default runtime's", "[set_workers]") {
  const unsigned before = weft::workers();
  weft::set_workers(3);
  CHECK(weft::workers() == 3);
  CHECK(weft::spawn([] { return weft::workers(); }).get() == 3);
  weft::set_workers(before);
}
