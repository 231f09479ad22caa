// condition_variable: Go's sync/cond_test.go where it has one, and the standard's interface.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <chrono>
#include <concepts>
#include <condition_variable>
#include <iostream>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft_test::contains;
using weft_test::until_parked;

namespace {

using lock_type = std::unique_lock<weft::mutex>;
[[maybe_unused]] bool predicate() { return true; }
static_assert(std::same_as<decltype(std::declval<weft::condition_variable&>().wait_for(
                               std::declval<lock_type&>(), 1s)),
                           std::cv_status>);
static_assert(std::same_as<decltype(std::declval<weft::condition_variable&>().wait_for(
                               std::declval<lock_type&>(), 1s, predicate)),
                           bool>);
static_assert(std::same_as<decltype(std::declval<weft::condition_variable&>().wait_until(
                               std::declval<lock_type&>(), weft::clock::now())),
                           std::cv_status>);
static_assert(std::same_as<decltype(std::declval<weft::condition_variable&>().wait_until(
                               std::declval<lock_type&>(), weft::clock::now(), predicate)),
                           bool>);

}  // namespace

TEST_CASE("TestCondSignal: each notification ends one wait", "[condition_variable]") {
  weft::run([] {
    weft::mutex m;
    weft::condition_variable cv;
    const int n = 5;
    std::atomic<int> awake = 0;
    weft::wait_group group;
    for (int i = 0; i < n; ++i) {
      group.go([&] {
        lock_type lock(m);
        cv.wait(lock);
        ++awake;
      });
    }
    until_parked(n);
    for (int k = 1; k <= n; ++k) {
      {
        lock_type lock(m);
        cv.notify_one();
      }
      while (awake < k) weft::yield();
      until_parked(n - k);
      CHECK(awake == k);
    }
    cv.notify_one();
    cv.notify_all();
    group.wait();
  });
}

TEST_CASE("TestCondSignalGenerations: notify_one is FIFO", "[condition_variable]") {
  weft::run([] {
    weft::mutex m;
    weft::condition_variable cv;
    const int n = 20;
    std::vector<int> order;
    weft::wait_group group;
    for (int i = 0; i < n; ++i) {
      group.go([&, i] {
        lock_type lock(m);
        cv.wait(lock);
        order.push_back(i);
      });
      until_parked(i + 1);
    }
    for (int i = 0; i < n; ++i) {
      cv.notify_one();
      for (;;) {
        lock_type lock(m);
        if (order.size() == std::size_t(i) + 1) break;
        lock.unlock();
        weft::yield();
      }
    }
    group.wait();
    for (int i = 0; i < n; ++i) CHECK(order[std::size_t(i)] == i);
  });
}

TEST_CASE("TestCondBroadcast: notify_all ends all waits", "[condition_variable]") {
  const int count = weft_test::scaled(200);
  weft::mutex m;
  weft::condition_variable cv;
  bool open = false;
  std::atomic<int> through = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      lock_type lock(m);
      cv.wait(lock, [&] { return open; });
      ++through;
    });
  }
  weft::run([&] {
    weft::wait_group group;
    for (int i = 0; i < count; ++i) {
      group.go([&] {
        lock_type lock(m);
        cv.wait(lock, [&] { return open; });
        ++through;
      });
    }
    until_parked(count);
    CHECK(through == 0);
    {
      lock_type lock(m);
      open = true;
    }
    cv.notify_all();
    group.wait();
  });
  for (auto& t : threads) t.join();
  CHECK(through == count + 2);
}

TEST_CASE("a wait without the lock throws", "[condition_variable]") {
  weft::mutex m;
  weft::condition_variable cv;
  lock_type lock(m, std::defer_lock);
  CHECK_THROWS_AS(cv.wait(lock), std::logic_error);
  CHECK_THROWS_AS(cv.wait_for(lock, 1ms), std::logic_error);
  lock_type none;
  CHECK_THROWS_AS(cv.wait(none), std::logic_error);
  // The lock believes that it has it.
  lock.lock();
  m.unlock();
  CHECK_THROWS_AS(cv.wait(lock), std::logic_error);
  lock.release();
  // Nothing of these waits is left.
  lock_type good(m);
  CHECK(cv.wait_for(good, 1us) == std::cv_status::timeout);
}

TEST_CASE("wait_for and wait_until of a condition variable", "[condition_variable]") {
  weft::run([] {
    weft::mutex m;
    weft::condition_variable cv;
    bool flag = false;
    lock_type lock(m);
    for (auto limit : {-1ms, 0ms, 1ms, 5ms}) {
      auto start = weft::clock::now();
      CHECK(cv.wait_for(lock, limit) == std::cv_status::timeout);
      CHECK(weft::clock::now() - start >= limit);
      CHECK(lock.owns_lock());
      CHECK_FALSE(m.try_lock());
      start = weft::clock::now();
      CHECK_FALSE(cv.wait_for(lock, limit, [&] { return flag; }));
      CHECK(weft::clock::now() - start >= limit);
      CHECK_FALSE(m.try_lock());
    }
    CHECK(cv.wait_until(lock, weft::clock::now() + 1ms) == std::cv_status::timeout);
    CHECK(cv.wait_until(lock, std::chrono::steady_clock::now() + 1ms) == std::cv_status::timeout);
    CHECK(cv.wait_until(lock, std::chrono::system_clock::now() + 1ms) == std::cv_status::timeout);
    CHECK_FALSE(cv.wait_until(lock, weft::clock::now() + 1ms, [&] { return flag; }));
    CHECK(cv.wait_until(lock, weft::clock::now() - 1h, [] { return true; }));
    CHECK(cv.wait_for(lock, -1h, [] { return true; }));

    auto other = weft::spawn([&] {
      lock_type inner(m);
      flag = true;
      cv.notify_one();
    });
    CHECK(cv.wait_for(lock, 1h) == std::cv_status::no_timeout);
    CHECK(flag);
    flag = false;
    auto second = weft::spawn([&] {
      lock_type inner(m);
      cv.notify_one();  // too early
      flag = true;
      cv.notify_one();
    });
    CHECK(cv.wait_until(lock, weft::clock::now() + 1h, [&] { return flag; }));
    lock.unlock();
    other.get();
    second.get();
  });
}

TEST_CASE("a notification before the wait is not kept", "[condition_variable]") {
  weft::mutex m;
  weft::condition_variable cv;
  cv.notify_one();
  cv.notify_all();
  lock_type lock(m);
  CHECK(cv.wait_for(lock, 1ms) == std::cv_status::timeout);
}

TEST_CASE("no wait ends without a notification", "[condition_variable]") {
  // As many waits end as there were notifications, although others time out among them.
  const int n = weft_test::scaled(2000);
  weft::run([n] {
    weft::mutex m;
    weft::condition_variable cv;
    int woken = 0;
    int waiting = 0;
    std::atomic<bool> stop = false;
    weft::wait_group group;
    for (int i = 0; i < 4; ++i) {
      group.go([&] {
        lock_type lock(m);
        while (!stop) {
          ++waiting;
          if (cv.wait_for(lock, 50us) == std::cv_status::no_timeout) ++woken;
          --waiting;
        }
      });
    }
    int sent = 0;
    for (int i = 0; i < n; ++i) {
      {
        lock_type lock(m);
        // Those that have timed out and wait for the mutex are counted in, too.
        if (waiting > 0) {
          cv.notify_one();
          ++sent;
        }
      }
      weft::yield();
    }
    stop = true;
    group.wait();
    CHECK(woken <= sent);
  });
}

TEST_CASE("a bounded buffer with two condition variables", "[condition_variable]") {
  const int each = weft_test::scaled(3000);
  weft::mutex m;
  weft::condition_variable not_full;
  weft::condition_variable not_empty;
  std::vector<int> buffer;
  long received = 0;
  const auto produce = [&] {
    for (int i = 1; i <= each; ++i) {
      lock_type lock(m);
      not_full.wait(lock, [&] { return buffer.size() < 3; });
      buffer.push_back(i);
      not_empty.notify_one();
    }
  };
  const auto consume = [&] {
    for (int i = 1; i <= each; ++i) {
      lock_type lock(m);
      not_empty.wait(lock, [&] { return !buffer.empty(); });
      received += buffer.back();
      buffer.pop_back();
      not_full.notify_one();
    }
  };
  std::thread outside_producer(produce);
  std::thread outside_consumer(consume);
  weft::run([&] {
    weft::wait_group group;
    for (int i = 0; i < 3; ++i) {
      group.go(produce);
      group.go(consume);
    }
    group.wait();
  });
  outside_producer.join();
  outside_consumer.join();
  CHECK(received == 4L * each * (each + 1) / 2);
}

TEST_CASE("a condition variable's mutex is locked again when the run ends",
          "[condition_variable][end]") {
  weft::mutex m;
  weft::condition_variable cv;
  std::atomic<int> owned = 0;
  std::atomic<int> together = 0;
  std::atomic<int> overlap = 0;
  const int n = weft_test::scaled(50) + 1;
  weft::run([&] {
    for (int i = 0; i < n; ++i) {
      weft::go([&] {
        lock_type lock(m);
        weft_test::at_end check([&] {
          if (lock.owns_lock()) ++owned;
          if (++together != 1) ++overlap;
          if (m.try_lock()) ++overlap;
          --together;
        });
        cv.wait(lock);
      });
    }
    until_parked(n);
  });
  CHECK(owned == n);
  CHECK(overlap == 0);
  CHECK(m.try_lock());
  m.unlock();
}

TEST_CASE("a wait that swallows goroutine_exit throws it again with the lock held",
          "[condition_variable][end]") {
  weft::mutex m;
  weft::condition_variable cv;
  std::atomic<int> exits = 0;
  weft::run([&] {
    weft::go([&] {
      lock_type lock(m);
      for (int i = 0; i < 3; ++i) {
        try {
          cv.wait(lock);
        } catch (const weft::goroutine_exit&) {
          if (lock.owns_lock() && !m.try_lock()) ++exits;
        }
      }
    });
    until_parked(1);
  });
  CHECK(exits == 3);
}

TEST_CASE("a notification that meets a wait ended by its run goes to the next",
          "[condition_variable][end]") {
  weft::mutex m;
  weft::condition_variable cv;
  const int rounds = weft_test::scaled(200);
  weft::runtime other;
  for (int i = 0; i < rounds; ++i) {
    std::atomic<int> state = 0;
    weft::run([&] {
      weft::go([&] {
        lock_type lock(m);
        cv.wait(lock);
      });
      until_parked(1);
      other.go([&] {
        {
          lock_type lock(m);
          cv.wait(lock);
        }
        state = 2;
      });
      while (other.stats().parked < 1) weft::yield();
    });
    // The first has left by its run's end; the notification is the second's.
    cv.notify_one();
    while (state != 2) std::this_thread::yield();
    while (other.stats().goroutines != 0) std::this_thread::yield();
  }
  SUCCEED();
}

namespace {

WEFT_CHILD_CASE("deadlock-in-condition-variable") {
  weft::mutex m;
  try {
    weft::run([&] {
      weft::condition_variable cv;
      lock_type lock(m);
      try {
        cv.wait(lock);
      } catch (const weft::deadlock_error&) {
        std::cout << (lock.owns_lock() && !m.try_lock() ? "locked\n" : "not locked\n");
        throw;
      }
    });
  } catch (const weft::deadlock_error&) {
    std::cout << (m.try_lock() ? "free\n" : "not free\n");
  }
}

}  // namespace

TEST_CASE("a deadlock leaves a condition variable with its mutex locked",
          "[condition_variable][deadlock]") {
  const auto child = weft_test::run_child("deadlock-in-condition-variable");
  CHECK(child.exit_code == 0);
  CHECK(child.out == "locked\nfree\n");
}
