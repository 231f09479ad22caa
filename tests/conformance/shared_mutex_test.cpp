// shared_mutex: Go's sync/rwmutex_test.go where it has one, and the standard's SharedLockable.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <chrono>
#include <concepts>
#include <mutex>
#include <shared_mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

using namespace std::chrono_literals;
using weft_test::until_parked;

namespace {

template <class M>
concept shared_lockable = requires(M m) {
  m.lock();
  { m.try_lock() } -> std::same_as<bool>;
  m.unlock();
  m.lock_shared();
  { m.try_lock_shared() } -> std::same_as<bool>;
  m.unlock_shared();
};
static_assert(shared_lockable<weft::shared_mutex>);
static_assert(!std::is_copy_constructible_v<weft::shared_mutex>);

}  // namespace

TEST_CASE("a shared mutex is SharedLockable", "[shared_mutex]") {
  weft::shared_mutex m;
  {
    std::shared_lock first(m);
    std::shared_lock second(m, std::try_to_lock);
    CHECK(second.owns_lock());
    CHECK_FALSE(m.try_lock());
  }
  {
    std::unique_lock alone(m);
    CHECK_FALSE(m.try_lock());
    CHECK_FALSE(m.try_lock_shared());
  }
  {
    std::scoped_lock alone(m);
    CHECK_FALSE(m.try_lock_shared());
  }
  CHECK(m.try_lock());
  m.unlock();
}

TEST_CASE("TestRWMutexMisuse: unlocking what is not locked throws", "[shared_mutex]") {
  weft::shared_mutex m;
  CHECK_THROWS_AS(m.unlock(), std::logic_error);
  CHECK_THROWS_AS(m.unlock_shared(), std::logic_error);
  m.lock();
  CHECK_THROWS_AS(m.unlock_shared(), std::logic_error);
  m.unlock();
  CHECK_THROWS_AS(m.unlock(), std::logic_error);
  m.lock_shared();
  CHECK_THROWS_AS(m.unlock(), std::logic_error);
  m.unlock_shared();
  CHECK_THROWS_AS(m.unlock_shared(), std::logic_error);
  CHECK(m.try_lock());
  m.unlock();
}

TEST_CASE("TestParallelReaders: readers hold it together", "[shared_mutex]") {
  weft::run([] {
    weft::shared_mutex m;
    const int readers = 10;
    std::atomic<int> inside = 0;
    weft::chan<void> leave;
    weft::wait_group group;
    for (int i = 0; i < readers; ++i) {
      group.go([&, leave] {
        std::shared_lock lock(m);
        ++inside;
        leave.recv();
      });
    }
    while (inside < readers) weft::yield();
    CHECK_FALSE(m.try_lock());
    for (int i = 0; i < readers; ++i) leave.send();
    group.wait();
    CHECK(m.try_lock());
    m.unlock();
  });
}

TEST_CASE("TestRWMutex: never a writer beside anybody", "[shared_mutex]") {
  const int each = weft_test::scaled(2000);
  for (int readers : {1, 3, 10}) {
    std::atomic<int> activity = 0;  // 10000 for each writer inside, 1 for each reader
    std::atomic<int> wrong = 0;
    long sum = 0;
    weft::shared_mutex m;
    std::thread outside([&] {
      for (int i = 0; i < each; ++i) {
        std::shared_lock lock(m);
        if (++activity >= 10000) ++wrong;
        --activity;
      }
    });
    weft::run([&] {
      weft::wait_group group;
      for (int w = 0; w < 3; ++w) {
        group.go([&] {
          for (int i = 0; i < each; ++i) {
            std::unique_lock lock(m);
            if ((activity += 10000) != 10000) ++wrong;
            ++sum;
            if (i % 64 == 0) weft::yield();
            activity -= 10000;
          }
        });
      }
      for (int r = 0; r < readers; ++r) {
        group.go([&, r] {
          for (int i = 0; i < each; ++i) {
            if (r % 3 == 2) {
              if (!m.try_lock_shared()) {
                weft::yield();
                continue;
              }
            } else {
              m.lock_shared();
            }
            if (++activity >= 10000) ++wrong;
            if (i % 64 == 0) weft::yield();
            --activity;
            m.unlock_shared();
          }
        });
      }
      group.wait();
    });
    outside.join();
    CHECK(wrong == 0);
    CHECK(sum == 3L * each);
  }
}

TEST_CASE("a reader that comes after a writer waits behind it", "[shared_mutex]") {
  weft::run([] {
    weft::shared_mutex m;
    std::string order;
    std::mutex order_lock;
    const auto note = [&](char c) {
      std::lock_guard lock(order_lock);
      order += c;
    };
    m.lock_shared();
    auto writer = weft::spawn([&] {
      std::unique_lock lock(m);
      note('w');
    });
    until_parked(1);
    CHECK_FALSE(m.try_lock_shared());
    auto reader = weft::spawn([&] {
      std::shared_lock lock(m);
      note('r');
    });
    until_parked(2);
    note('m');
    m.unlock_shared();
    writer.get();
    reader.get();
    CHECK(order == "mwr");
  });
}

TEST_CASE("a writer that unlocks lets the waiting readers in before the next writer",
          "[shared_mutex]") {
  weft::run([] {
    weft::shared_mutex m;
    std::atomic<int> read = 0;
    int seen_by_writer = -1;
    m.lock();
    auto first = weft::spawn([&] {
      std::shared_lock lock(m);
      ++read;
    });
    until_parked(1);
    auto writer = weft::spawn([&] {
      std::unique_lock lock(m);
      seen_by_writer = read;
    });
    until_parked(2);
    auto second = weft::spawn([&] {
      std::shared_lock lock(m);
      ++read;
    });
    until_parked(3);
    m.unlock();
    first.get();
    second.get();
    writer.get();
    CHECK(seen_by_writer == 2);
  });
}

TEST_CASE("readers that overlap for ever do not starve a writer", "[shared_mutex]") {
  const int wanted = weft_test::scaled(50);
  weft::run([wanted] {
    weft::shared_mutex m;
    std::atomic<bool> stop = false;
    weft::wait_group readers;
    for (int r = 0; r < 4; ++r) {
      readers.go([&] {
        while (!stop) {
          std::shared_lock lock(m);
          weft::yield();
        }
      });
    }
    for (int i = 0; i < wanted; ++i) {
      std::unique_lock lock(m);
    }
    stop = true;
    readers.wait();
  });
  SUCCEED();
}

TEST_CASE("writers that come one after the other do not starve a reader", "[shared_mutex]") {
  const int wanted = weft_test::scaled(50);
  weft::run([wanted] {
    weft::shared_mutex m;
    std::atomic<bool> stop = false;
    weft::wait_group writers;
    for (int r = 0; r < 4; ++r) {
      writers.go([&] {
        while (!stop) {
          std::unique_lock lock(m);
          weft::yield();
        }
      });
    }
    for (int i = 0; i < wanted; ++i) {
      std::shared_lock lock(m);
    }
    stop = true;
    writers.wait();
  });
  SUCCEED();
}

TEST_CASE("another goroutine may unlock a shared mutex", "[shared_mutex]") {
  weft::run([] {
    weft::shared_mutex m;
    m.lock();
    weft::go([&] { m.unlock(); });
    m.lock_shared();
    weft::spawn([&] { m.unlock_shared(); }).get();
    CHECK(m.try_lock());
    m.unlock();
  });
}

TEST_CASE("a writer that leaves at the run's end lets in the readers behind it",
          "[shared_mutex][end]") {
  // They belong to another runtime and to a thread, which go on.
  weft::shared_mutex m;
  weft::runtime other;
  std::atomic<int> read = 0;
  m.lock_shared();
  weft::run([&] {
    weft::go([&] { std::unique_lock lock(m); });
    until_parked(1);
    other.go([&] {
      std::shared_lock lock(m);
      ++read;
    });
    while (other.stats().parked < 1) weft::yield();
  });
  while (read < 1) std::this_thread::yield();
  m.unlock_shared();
}
