// mutex: Go's sync/mutex_test.go where it has one, and the standard's Lockable.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <chrono>
#include <concepts>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <vector>

using namespace std::chrono_literals;
using weft_test::until_parked;

namespace {

template <class M>
concept lockable = requires(M m) {
  m.lock();
  { m.try_lock() } -> std::same_as<bool>;
  m.unlock();
};
static_assert(lockable<weft::mutex>);
static_assert(!std::is_copy_constructible_v<weft::mutex>);

}  // namespace

TEST_CASE("a mutex is Lockable", "[mutex]") {
  weft::mutex a;
  weft::mutex b;
  {
    std::lock_guard lock(a);
    CHECK_FALSE(a.try_lock());
  }
  {
    std::scoped_lock lock(a, b);
    CHECK_FALSE(b.try_lock());
  }
  {
    std::unique_lock lock(a, std::try_to_lock);
    CHECK(lock.owns_lock());
    lock.unlock();
    CHECK(a.try_lock());
    a.unlock();
  }
  CHECK(b.try_lock());
  b.unlock();
}

TEST_CASE("TestMutexMisuse: unlocking what is not locked throws", "[mutex]") {
  weft::mutex m;
  CHECK_THROWS_AS(m.unlock(), std::logic_error);
  m.lock();
  m.unlock();
  CHECK_THROWS_AS(m.unlock(), std::logic_error);
  CHECK(m.try_lock());
  m.unlock();
}

TEST_CASE("TestMutex", "[mutex]") {
  const int count = weft_test::scaled(5000);
  for (int goroutines : {2, 10, 50}) {
    long counter = 0;
    weft::run([&] {
      weft::mutex m;
      weft::wait_group group;
      for (int g = 0; g < goroutines; ++g) {
        group.go([&, g] {
          for (int i = 0; i < count; ++i) {
            if (g % 3 == 0 && m.try_lock()) {
              ++counter;
              m.unlock();
              continue;
            }
            std::lock_guard lock(m);
            ++counter;
            if (i % 100 == 0) weft::yield();
          }
        });
      }
      group.wait();
    });
    CHECK(counter == long(goroutines) * count);
  }
}

TEST_CASE("goroutines and threads lock one mutex", "[mutex][threads]") {
  const int count = weft_test::scaled(5000);
  weft::mutex m;
  long counter = 0;
  auto work = [&] {
    for (int i = 0; i < count; ++i) {
      std::lock_guard lock(m);
      ++counter;
    }
  };
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) threads.emplace_back(work);
  weft::run([&] {
    weft::wait_group group;
    for (int g = 0; g < 5; ++g) group.go(work);
    group.wait();
  });
  for (auto& t : threads) t.join();
  CHECK(counter == 8L * count);
}

TEST_CASE("held over a wait, others wait", "[mutex]") {
  weft::run([] {
    weft::mutex m;
    int value = 0;
    m.lock();
    auto other = weft::spawn([&] {
      std::lock_guard lock(m);
      return value;
    });
    until_parked(1);
    CHECK_FALSE(other.done());
    weft::sleep_for(1ms);
    value = 5;
    m.unlock();
    CHECK(other.get() == 5);
  });
}

TEST_CASE("another goroutine may unlock", "[mutex]") {
  weft::run([] {
    weft::mutex m;
    m.lock();
    weft::go([&] { m.unlock(); });
    m.lock();
    weft::spawn([&] { m.unlock(); }).get();
    CHECK(m.try_lock());
    m.unlock();
  });
  weft::mutex m;
  m.lock();
  std::thread([&] { m.unlock(); }).join();
  CHECK(m.try_lock());
  m.unlock();
}

TEST_CASE("TestMutexFairness: a hog cannot keep the others out", "[mutex]") {
  const int wanted = weft_test::scaled(100);
  weft::run([wanted] {
    weft::mutex m;
    std::atomic<bool> stop = false;
    weft::wait_group hogs;
    for (int h = 0; h < 2; ++h) {
      hogs.go([&] {
        while (!stop) {
          std::lock_guard lock(m);
          // Holds it over a wait, so that somebody always waits for it.
          weft::yield();
        }
      });
    }
    for (int i = 0; i < wanted; ++i) {
      std::lock_guard lock(m);
    }
    stop = true;
    hogs.wait();
  });
  SUCCEED();
}

TEST_CASE("a hog that never waits cannot keep the others out", "[mutex][threads]") {
  const int wanted = weft_test::scaled(100);
  weft::mutex m;
  std::atomic<bool> stop = false;
  std::vector<std::thread> hogs;
  for (int h = 0; h < 2; ++h) {
    hogs.emplace_back([&] {
      while (!stop) {
        std::lock_guard lock(m);
      }
    });
  }
  weft::run([&] {
    for (int i = 0; i < wanted; ++i) {
      std::lock_guard lock(m);
      weft::yield();
    }
  });
  stop = true;
  for (auto& h : hogs) h.join();
  SUCCEED();
}

TEST_CASE("a mutex may be destroyed by whoever got it last", "[mutex]") {
  const int rounds = weft_test::scaled(2000);
  weft::run([rounds] {
    for (int i = 0; i < rounds; ++i) {
      auto m = std::make_unique<weft::mutex>();
      m->lock();
      auto other = weft::spawn([&m] { m->unlock(); });
      m->lock();
      m->unlock();
      m.reset();
      other.get();
    }
  });
  SUCCEED();
}

TEST_CASE("many mutexes, locked in pairs", "[mutex]") {
  // Philosophers with std::scoped_lock.
  const int meals = weft_test::scaled(500);
  const int seats = 5;
  std::vector<int> eaten(seats, 0);
  weft::run([&] {
    std::vector<weft::mutex> forks(seats);
    weft::wait_group group;
    for (int s = 0; s < seats; ++s) {
      group.go([&, s] {
        for (int i = 0; i < meals; ++i) {
          std::scoped_lock both(forks[s], forks[(s + 1) % seats]);
          ++eaten[s];
          if (i % 10 == 0) weft::yield();
        }
      });
    }
    group.wait();
  });
  CHECK(eaten == std::vector<int>(seats, meals));
}
