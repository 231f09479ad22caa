// What happens before what: data that is not atomic, guarded by each primitive in turn. TSan
// watches; without it only the values are checked.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <utility>

namespace {

// Runs a pair of sides at the same time, in goroutines and, every other time, one on a thread.
template <class Prepare>
void race(Prepare prepare) {
  const int rounds = weft_test::scaled(1000);
  weft::run([&] {
    for (int i = 0; i < rounds; ++i) prepare(i);
  });
}

template <class A, class B>
void both(int i, A a, B b) {
  if (i % 4 == 3) {
    std::thread outside(a);
    b();
    outside.join();
  } else {
    auto other = weft::spawn(a);
    b();
    other.get();
  }
}

}  // namespace

TEST_CASE("order: unlock before lock", "[sync][order]") {
  race([](int i) {
    weft::mutex m;
    int plain = 0;
    const auto side = [&] {
      for (int k = 0; k < 5; ++k) {
        std::lock_guard lock(m);
        ++plain;
      }
    };
    both(i, side, side);
    REQUIRE(plain == 10);
  });
}

TEST_CASE("order: unlock before lock_shared, unlock_shared before lock", "[sync][order]") {
  race([](int i) {
    weft::shared_mutex m;
    int plain = 0;
    std::atomic<int> sum = 0;
    const auto side = [&] {
      for (int k = 0; k < 5; ++k) {
        {
          std::shared_lock lock(m);
          sum += plain;
        }
        if (m.try_lock()) {
          ++plain;
          m.unlock();
        }
        std::unique_lock lock(m);
        ++plain;
      }
    };
    both(i, side, side);
    REQUIRE(plain >= 10);
  });
}

TEST_CASE("order: what was done under the mutex before a notification", "[sync][order]") {
  race([](int i) {
    weft::mutex m;
    weft::condition_variable cv;
    int plain = 0;
    both(
        i,
        [&] {
          {
            std::lock_guard lock(m);
            plain = 1;
          }
          cv.notify_one();
        },
        [&] {
          std::unique_lock lock(m);
          cv.wait(lock, [&] { return plain == 1; });
          plain = 2;
        });
    REQUIRE(plain == 2);
  });
}

TEST_CASE("order: once's function before every call's return", "[sync][order]") {
  race([](int i) {
    weft::once o;
    int plain = 0;
    std::atomic<int> sum = 0;
    const auto side = [&] {
      o.call([&] { plain = 7; });
      sum += plain;
    };
    both(i, side, side);
    REQUIRE(sum == 14);
  });
}

TEST_CASE("order: release before acquire", "[sync][order]") {
  race([](int i) {
    weft::semaphore s(1);
    int plain = 0;
    const auto side = [&] {
      for (int k = 0; k < 5; ++k) {
        if (k % 2 == 0) {
          s.acquire();
        } else {
          while (!s.try_acquire_for(1, std::chrono::microseconds(20))) {
          }
        }
        ++plain;
        s.release();
      }
    };
    both(i, side, side);
    REQUIRE(plain == 10);
  });
}

TEST_CASE("order: k permits released by several before all are acquired", "[sync][order]") {
  race([](int i) {
    weft::semaphore s(2);
    int first = 0;
    int second = 0;
    s.acquire(2);
    weft::go([&] {
      first = 1;
      s.release();
    });
    both(
        i,
        [&] {
          second = 1;
          s.release();
        },
        [&] {
          s.acquire(2);
          first += second;
        });
    REQUIRE(first == 2);
  });
}

TEST_CASE("order: count_down before wait", "[sync][order]") {
  race([](int i) {
    weft::latch l(2);
    int first = 0;
    int second = 0;
    weft::go([&] {
      first = 1;
      l.count_down();
    });
    both(
        i,
        [&] {
          second = 1;
          l.count_down();
        },
        [&] {
          if (i % 2 == 0) {
            l.wait();
          } else {
            while (!l.try_wait()) weft::yield();
          }
          first += second;
        });
    REQUIRE(first == 2);
  });
}

TEST_CASE("order: arrive before the completion before wait's return", "[sync][order]") {
  race([](int i) {
    int first = 0;
    int second = 0;
    int sum = 0;
    weft::barrier b(2, [&] { sum = first + second; });
    std::atomic<int> seen = 0;
    both(
        i,
        [&] {
          first = 1;
          b.arrive_and_wait();
          seen += sum;
        },
        [&] {
          second = 1;
          b.wait(b.arrive());
          seen += sum;
        });
    REQUIRE(seen == 4);
  });
}

TEST_CASE("order: store before load", "[sync][order]") {
  race([](int i) {
    weft::concurrent_map<int, std::shared_ptr<int>> m;
    auto plain = std::make_shared<int>(0);
    both(
        i,
        [&] {
          *plain = 5;
          m.store(1, plain);
        },
        [&] {
          for (;;) {
            if (auto v = m.load(1)) {
              **v += 1;
              break;
            }
            weft::yield();
          }
        });
    REQUIRE(*plain == 6);
  });
}

TEST_CASE("order: put before get", "[sync][order]") {
  race([](int i) {
    weft::pool<std::shared_ptr<int>> p([] { return nullptr; });
    auto plain = std::make_shared<int>(0);
    both(
        i,
        [&] {
          *plain = 5;
          p.put(plain);
        },
        [&] {
          for (;;) {
            if (auto v = p.get()) {
              *v += 1;
              break;
            }
            weft::yield();
          }
        });
    REQUIRE(*plain == 6);
  });
}

TEST_CASE("order: single_flight's function before every run's return", "[sync][order]") {
  race([](int i) {
    weft::single_flight<int, int> g;
    int plain[2] = {};
    std::atomic<int> flights = 0;
    std::atomic<int> sum = 0;
    const auto side = [&] {
      const auto r = g.run(1, [&] {
        const int me = flights++;
        plain[me] = 7;
        weft::yield();
        return me;
      });
      sum += plain[r.value];
    };
    both(i, side, side);
    REQUIRE(sum == 14);
  });
}

TEST_CASE("order: done before wait, with add while another waits", "[sync][order]") {
  race([](int i) {
    weft::wait_group g;
    int first = 0;
    int second = 0;
    g.add(1);
    both(
        i,
        [&] {
          first = 1;
          g.add(1);
          weft::go([&] {
            second = 1;
            g.done();
          });
          g.done();
        },
        [&] {
          g.wait();
          first += second;
        });
    REQUIRE(first == 2);
  });
}
