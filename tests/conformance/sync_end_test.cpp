// run's end with goroutines parked in every kind of synchronisation: they unwind, and what they
// waited for works on.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <iostream>
#include <mutex>
#include <shared_mutex>
#include <stdexcept>
#include <string>
#include <utility>

using namespace std::chrono_literals;
using weft_test::at_end;
using weft_test::until_parked;

namespace {

// Everything that can be waited for, held or short of what it takes.
struct everything {
  weft::mutex locked;
  weft::shared_mutex held;
  weft::mutex m;
  weft::condition_variable cv;
  weft::wait_group group;
  weft::once once;
  weft::semaphore empty{2};
  weft::latch shut{1};
  weft::barrier<> lonely{100};
  weft::single_flight<int, int> flight;

  everything() {
    locked.lock();
    held.lock();
    group.add(1);
    empty.acquire(2);
  }
};

using wait_function = void (*)(everything&);
const wait_function waits[] = {
    [](everything& e) { e.locked.lock(); },
    [](everything& e) { e.held.lock(); },
    [](everything& e) { e.held.lock_shared(); },
    [](everything& e) {
      std::unique_lock lock(e.m);
      e.cv.wait(lock);
    },
    [](everything& e) {
      std::unique_lock lock(e.m);
      e.cv.wait_for(lock, 1h);
    },
    [](everything& e) { e.group.wait(); },
    [](everything& e) { e.group.wait_for(1h); },
    [](everything& e) { e.once.call([&e] { e.locked.lock(); }); },
    [](everything& e) { e.empty.acquire(); },
    [](everything& e) { e.empty.acquire(2); },
    [](everything& e) { e.empty.try_acquire_for(1, 1h); },
    [](everything& e) { e.shut.wait(); },
    [](everything& e) { e.shut.wait_for(1h); },
    [](everything& e) { e.lonely.arrive_and_wait(); },
    [](everything& e) { e.lonely.wait(e.lonely.arrive()); },
    [](everything& e) { e.flight.run(1, [&e] { return e.locked.lock(), 1; }); },
};

}  // namespace

TEST_CASE("at the run's end every wait unwinds", "[sync][end]") {
  everything e;
  std::atomic<int> exits = 0;
  std::atomic<int> others = 0;
  const std::size_t each = 3;
  const std::size_t n = each * std::size(waits);
  weft::run([&] {
    for (wait_function wait : waits) {
      for (std::size_t i = 0; i < each; ++i) {
        weft::go([&, wait] {
          try {
            wait(e);
            ++others;
          } catch (const weft::goroutine_exit&) {
            ++exits;
            throw;
          }
        });
      }
    }
    until_parked(n);
  });
  CHECK(exits == n);
  CHECK(others == 0);
  // Nobody waits any more, and nothing was taken.
  e.locked.unlock();
  CHECK(e.locked.try_lock());
  e.held.unlock();
  CHECK(e.held.try_lock());
  CHECK(e.m.try_lock());
  e.group.done();
  e.group.wait();
  int ran = 0;
  e.once.call([&] { ++ran; });
  CHECK(ran == 1);
  CHECK_FALSE(e.empty.try_acquire());
  e.empty.release(2);
  CHECK(e.empty.try_acquire(2));
  e.shut.count_down();
  e.shut.wait();
  // Arrivals count all the same.
  auto token = e.lonely.arrive(100 - 2 * std::ptrdiff_t(each));
  e.lonely.wait(std::move(token));
  CHECK_FALSE(e.flight.run(1, [] { return 1; }).shared);
}

TEST_CASE("waits while a goroutine unwinds end by themselves", "[sync][end]") {
  // A destructor waits for what another goroutine gives from its destructor.
  std::atomic<int> through = 0;
  weft::mutex m;
  weft::shared_mutex s;
  weft::semaphore permits(1);
  weft::latch latch(1);
  weft::barrier<> barrier(2);
  weft::condition_variable cv;
  bool flag = false;
  m.lock();
  s.lock();
  permits.acquire();
  weft::run([&] {
    weft::go([&] {
      at_end last([&] {
        m.lock();
        s.lock_shared();
        permits.acquire();
        latch.wait();
        barrier.arrive_and_wait();
        weft::mutex own;
        std::unique_lock lock(own);
        m.unlock();
        {
          std::unique_lock inner(m);
          cv.wait(inner, [&] { return flag; });
        }
        ++through;
      });
      weft::chan<int>().recv();
    });
    weft::go([&] {
      at_end last([&] {
        m.unlock();
        s.unlock();
        permits.release();
        latch.count_down();
        barrier.arrive_and_wait();
        std::unique_lock lock(m);
        flag = true;
        cv.notify_all();
        ++through;
      });
      weft::chan<int>().recv();
    });
    until_parked(2);
  });
  CHECK(through == 2);
}

TEST_CASE("a wait after the end throws, what need not wait goes on", "[sync][end]") {
  std::atomic<int> worked = 0;
  std::atomic<int> exits = 0;
  everything e;
  weft::run([&] {
    weft::go([&] {
      try {
        weft::chan<int>().recv();
      } catch (const weft::goroutine_exit&) {
      }
      weft::mutex m;
      m.lock();
      m.unlock();
      weft::shared_mutex s;
      s.lock();
      s.unlock();
      s.lock_shared();
      s.unlock_shared();
      weft::semaphore p(1);
      p.acquire();
      p.release();
      weft::once o;
      o.call([] {});
      weft::latch l(1);
      l.count_down();
      l.wait();
      weft::barrier b(1);
      b.arrive_and_wait();
      ++worked;
      for (wait_function wait : waits) {
        try {
          wait(e);
        } catch (const weft::goroutine_exit&) {
          ++exits;
        }
      }
    });
    until_parked(1);
  });
  CHECK(worked == 1);
  CHECK(exits == int(std::size(waits)));
}

namespace {

WEFT_CHILD_CASE("deadlock-in-each") {
  for (wait_function wait : waits) {
    everything e;
    // Those with a time-out are no deadlock.
    if (wait == waits[4] || wait == waits[6] || wait == waits[10] || wait == waits[12]) continue;
    try {
      weft::run([&] { wait(e); });
      std::cout << "returned\n";
    } catch (const weft::deadlock_error&) {
      std::cout << ".";
    }
  }
}

}  // namespace

TEST_CASE("a deadlock in each of them is reported", "[sync][deadlock]") {
  const auto child = weft_test::run_child("deadlock-in-each");
  CHECK(child.exit_code == 0);
  CHECK(child.out == std::string(std::size(waits) - 4, '.'));
  CHECK_THAT(child.err, weft_test::contains("semaphore"));
  CHECK_THAT(child.err, weft_test::contains("condition variable"));
}
