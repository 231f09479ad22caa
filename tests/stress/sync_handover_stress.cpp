// Hand-overs under races: destroyed as soon as the last wait has returned, time-outs beside
// notifications and releases, runs that end meanwhile. ASan sees a touch that comes too late.
#include "conformance/collect.hpp"
#include "stress/chance.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

namespace {

// In each round makes an object; `let_go` runs in several goroutines (one of them on a thread that
// lives as long as the test), `wait` in the round's own, which then destroys it although the
// others may still be returning.
template <class T, class Make, class LetGo, class Wait>
void destroyed_at_once(int others, Make make, LetGo let_go, Wait wait) {
  const int rounds = weft_test::scaled(3000);
  std::atomic<T*> for_thread = nullptr;
  std::atomic<bool> stop = false;
  std::thread outside([&] {
    while (!stop) {
      if (T* p = for_thread.exchange(nullptr)) {
        let_go(*p);
      } else {
        std::this_thread::yield();
      }
    }
  });
  weft::run([&] {
    for (int i = 0; i < rounds; ++i) {
      std::unique_ptr<T> object = make();
      T* p = object.get();
      int started = 0;
      if (i % 4 == 0) {
        for_thread = p;
        ++started;
      }
      for (; started < others; ++started) weft::go([p, let_go] { let_go(*p); });
      if (i % 3 == 0) weft::yield();
      wait(*object);
      object.reset();
    }
  });
  stop = true;
  outside.join();
  SUCCEED();
}

}  // namespace

TEST_CASE("destroyed at once: mutex", "[stress][destroy]") {
  destroyed_at_once<weft::mutex>(
      1,
      [] {
        auto m = std::make_unique<weft::mutex>();
        m->lock();
        return m;
      },
      [](weft::mutex& m) { m.unlock(); },
      [](weft::mutex& m) {
        m.lock();
        m.unlock();
      });
}

TEST_CASE("destroyed at once: shared_mutex, writer to writer and to reader", "[stress][destroy]") {
  const auto make = [] {
    auto m = std::make_unique<weft::shared_mutex>();
    m->lock();
    return m;
  };
  const auto unlock = [](weft::shared_mutex& m) { m.unlock(); };
  destroyed_at_once<weft::shared_mutex>(1, make, unlock, [](weft::shared_mutex& m) { m.lock(); });
  destroyed_at_once<weft::shared_mutex>(1, make, unlock,
                                        [](weft::shared_mutex& m) { m.lock_shared(); });
}

TEST_CASE("destroyed at once: shared_mutex, readers to writer", "[stress][destroy]") {
  destroyed_at_once<weft::shared_mutex>(
      3,
      [] {
        auto m = std::make_unique<weft::shared_mutex>();
        for (int i = 0; i < 3; ++i) m->lock_shared();
        return m;
      },
      [](weft::shared_mutex& m) { m.unlock_shared(); }, [](weft::shared_mutex& m) { m.lock(); });
}

TEST_CASE("destroyed at once: condition_variable", "[stress][destroy]") {
  struct event {
    weft::mutex m;
    weft::condition_variable cv;
    int count = 0;
  };
  const auto make = [] { return std::make_unique<event>(); };
  const auto wait = [](event& e) {
    std::unique_lock lock(e.m);
    e.cv.wait(lock, [&] { return e.count == 2; });
  };
  destroyed_at_once<event>(
      2, make,
      [](event& e) {
        std::lock_guard lock(e.m);
        ++e.count;
        e.cv.notify_one();
      },
      wait);
  destroyed_at_once<event>(
      2, make,
      [](event& e) {
        std::lock_guard lock(e.m);
        ++e.count;
        e.cv.notify_all();
      },
      wait);
}

TEST_CASE("destroyed at once: condition_variable, notified without the lock", "[stress][destroy]") {
  // Since no wait ends by itself, the notification may be all that holds the waiter.
  struct event {
    weft::mutex m;
    weft::condition_variable cv;
    bool waiting = false;
  };
  const auto until_waiting = [](event& e) {
    for (;; weft::yield()) {
      std::lock_guard lock(e.m);
      if (e.waiting) return;
    }
  };
  const auto make = [] { return std::make_unique<event>(); };
  const auto wait = [](event& e) {
    std::unique_lock lock(e.m);
    e.waiting = true;
    e.cv.wait(lock);
  };
  destroyed_at_once<event>(
      1, make,
      [until_waiting](event& e) {
        until_waiting(e);
        e.cv.notify_one();
      },
      wait);
  destroyed_at_once<event>(
      1, make,
      [until_waiting](event& e) {
        until_waiting(e);
        e.cv.notify_all();
      },
      wait);
}

TEST_CASE("destroyed at once: wait_group", "[stress][destroy]") {
  destroyed_at_once<weft::wait_group>(
      3,
      [] {
        auto g = std::make_unique<weft::wait_group>();
        g->add(3);
        return g;
      },
      [](weft::wait_group& g) { g.done(); }, [](weft::wait_group& g) { g.wait(); });
}

TEST_CASE("destroyed at once: semaphore", "[stress][destroy]") {
  destroyed_at_once<weft::semaphore>(
      3,
      [] {
        auto s = std::make_unique<weft::semaphore>(3);
        s->acquire(3);
        return s;
      },
      [](weft::semaphore& s) { s.release(); }, [](weft::semaphore& s) { s.acquire(3); });
}

TEST_CASE("destroyed at once: latch", "[stress][destroy]") {
  const auto make = [] { return std::make_unique<weft::latch>(3); };
  const auto count_down = [](weft::latch& l) { l.count_down(); };
  destroyed_at_once<weft::latch>(3, make, count_down, [](weft::latch& l) { l.wait(); });
  destroyed_at_once<weft::latch>(3, make, count_down, [](weft::latch& l) {
    while (!l.wait_for(10us)) {
    }
  });
  destroyed_at_once<weft::latch>(3, make, count_down, [](weft::latch& l) {
    while (!l.try_wait()) weft::yield();
  });
}

TEST_CASE("destroyed at once: barrier", "[stress][destroy]") {
  destroyed_at_once<weft::barrier<>>(
      3, [] { return std::make_unique<weft::barrier<>>(4); },
      [](weft::barrier<>& b) { (void)b.arrive(); },
      [](weft::barrier<>& b) { b.arrive_and_wait(); });
}

TEST_CASE("destroyed at once: once", "[stress][destroy]") {
  // The one that waits learns from the function that somebody runs it.
  struct started {
    weft::once o;
    weft::latch running{1};
  };
  destroyed_at_once<started>(
      1, [] { return std::make_unique<started>(); },
      [](started& s) { s.o.call([&] { s.running.count_down(); }); },
      [](started& s) {
        s.running.wait();
        s.o.call([] { std::abort(); });
      });
}

TEST_CASE("destroyed at once: single_flight", "[stress][destroy]") {
  struct started {
    weft::single_flight<int, int> g;
    weft::latch running{1};
    weft::latch joining{1};
  };
  destroyed_at_once<started>(
      1, [] { return std::make_unique<started>(); },
      [](started& s) {
        s.g.run(1, [&] {
          s.running.count_down();
          s.joining.wait();
          weft::yield();
          return 1;
        });
      },
      [](started& s) {
        s.running.wait();
        // Joins it in most rounds; else flies alone, and then waits until the other is through.
        bool alone = false;
        s.joining.count_down();
        s.g.run(1, [&] {
          alone = true;
          return 2;
        });
        if (alone) s.g.run(1, [] { return 3; });
      });
}

TEST_CASE("time-outs beside notifications: none is lost", "[stress][condition_variable]") {
  // Each token is announced once, to whoever waits longest. The next one comes when it is taken, so
  // an announcement that gets lost in a wait that is timing out stops everything.
  const std::uint64_t seed = weft_test::first_seed();
  CAPTURE(seed);
  const int tokens = weft_test::scaled(5000);
  weft::mutex m;
  weft::condition_variable cv;
  bool there = false;
  bool stop = false;
  std::atomic<int> taken = 0;
  const auto patient = [&] {
    std::unique_lock lock(m);
    for (;;) {
      cv.wait(lock, [&] { return there || stop; });
      if (stop) return;
      there = false;
      ++taken;
    }
  };
  std::thread outside(patient);
  weft::run([&] {
    weft::wait_group group;
    group.go(patient);
    for (int g = 0; g < 6; ++g) {
      group.go([&, g] {
        weft_test::chance pick(seed + std::uint64_t(g));
        std::unique_lock lock(m);
        while (!stop) {
          if (cv.wait_for(lock, std::chrono::microseconds(pick.below(40))) ==
              std::cv_status::no_timeout) {
            cv.notify_one();  // it was not for this one
          }
        }
      });
    }
    weft_test::chance pick(seed);
    for (int i = 1; i <= tokens; ++i) {
      for (int k = pick.below(4); k > 0; --k) weft::yield();
      {
        std::lock_guard lock(m);
        there = true;
      }
      cv.notify_one();
      while (taken < i) weft::yield();
    }
    {
      std::lock_guard lock(m);
      stop = true;
    }
    cv.notify_all();
    group.wait();
  });
  outside.join();
  CHECK(taken == tokens);
}

TEST_CASE("time-outs beside releases: permits are neither lost nor made", "[stress][semaphore]") {
  const std::uint64_t seed = weft_test::first_seed();
  CAPTURE(seed);
  const int each = weft_test::scaled(5000);
  const int n = 5;
  weft::semaphore permits(n);
  std::atomic<int> out = 0;
  std::atomic<int> wrong = 0;
  const auto work = [&](int who) {
    weft_test::chance pick(seed + std::uint64_t(who));
    for (int i = 0; i < each; ++i) {
      const int k = 1 + pick.below(n);
      bool got = false;
      switch (pick.below(4)) {
        case 0: got = permits.try_acquire(k); break;
        case 1:
          permits.acquire(k);
          got = true;
          break;
        default: got = permits.try_acquire_for(k, std::chrono::microseconds(pick.below(60)));
      }
      if (!got) continue;
      if ((out += k) > n) ++wrong;
      if (pick.one_in(8)) weft::yield();
      if (pick.one_in(64)) weft::sleep_for(30us);
      out -= k;
      permits.release(k);
    }
  };
  std::thread outside([&] { work(100); });
  weft::run([&] {
    weft::wait_group group;
    for (int g = 0; g < 6; ++g) group.go([&, g] { work(g); });
    group.wait();
  });
  outside.join();
  CHECK(wrong == 0);
  CHECK(permits.try_acquire(n));
}

TEST_CASE("a run that ends beside hand-overs loses nothing", "[stress][end]") {
  // Some take what is handed to them, the others are unwound; the counts come out even.
  const std::uint64_t seed = weft_test::first_seed();
  CAPTURE(seed);
  const int rounds = weft_test::scaled(500);
  weft_test::chance pick(seed);
  for (int i = 0; i < rounds; ++i) {
    weft::semaphore s(2);
    weft::shared_mutex rw;
    weft::mutex m;
    weft::condition_variable cv;
    s.acquire(2);
    std::thread outside;
    rw.lock();
    weft::run([&] {
      for (int g = 0; g < 4; ++g) {
        weft::go([&, g] {
          s.acquire(1 + g % 2);
          s.release(1 + g % 2);
        });
        weft::go([&, g] {
          if (g % 2 == 0) {
            std::shared_lock lock(rw);
          } else {
            std::unique_lock lock(rw);
          }
        });
        weft::go([&] {
          std::unique_lock lock(m);
          cv.wait(lock);
        });
      }
      weft_test::until_parked(12);
      outside = std::thread([&] {
        s.release();
        rw.unlock();
        cv.notify_one();
        s.release();
        cv.notify_all();
      });
      for (int k = pick.below(200); k > 0; --k) weft::yield();
    });
    outside.join();
    REQUIRE(s.try_acquire(2));
    REQUIRE(rw.try_lock());
    REQUIRE(m.try_lock());
  }
}

TEST_CASE("once functions that throw now and then", "[stress][once]") {
  const std::uint64_t seed = weft_test::first_seed();
  CAPTURE(seed);
  const int rounds = weft_test::scaled(2000);
  std::atomic<int> wrong = 0;
  weft::run([&] {
    for (int i = 0; i < rounds; ++i) {
      weft::once o;
      std::atomic<int> succeeded = 0;
      std::atomic<int> inside = 0;
      weft::wait_group group;
      for (int g = 0; g < 4; ++g) {
        group.go([&, g, i] {
          weft_test::chance pick(seed + std::uint64_t(4 * i + g));
          for (;;) {
            try {
              o.call([&] {
                if (++inside != 1) ++wrong;
                if (pick.one_in(2)) weft::yield();
                --inside;
                if (pick.one_in(2)) throw 1;
                ++succeeded;
              });
              break;
            } catch (int) {
            }
          }
          if (succeeded != 1) ++wrong;
        });
      }
      group.wait();
    }
  });
  CHECK(wrong == 0);
}

TEST_CASE("barrier phases with some that drop out", "[stress][barrier]") {
  const int rounds = weft_test::scaled(200);
  std::atomic<int> wrong = 0;
  weft::run([&] {
    for (int r = 0; r < rounds; ++r) {
      const int members = 5;
      int completed = 0;
      weft::barrier b(members, [&] { ++completed; });
      weft::wait_group group;
      for (int m = 0; m < members; ++m) {
        group.go([&, m] {
          for (int p = 1; p <= 3 + m; ++p) {
            if (p == 3 + m) {
              b.arrive_and_drop();
              return;
            }
            if (p % 2 == 0) {
              b.arrive_and_wait();
            } else {
              auto t = b.arrive();
              if ((m + r) % 2 == 0) weft::yield();
              b.wait(std::move(t));
            }
            if (completed < p) ++wrong;
          }
        });
      }
      group.wait();
      if (completed != 3 + members - 1) ++wrong;
    }
  });
  CHECK(wrong == 0);
}
