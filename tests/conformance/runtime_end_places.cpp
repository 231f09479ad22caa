// run's end: where a goroutine may be when it comes. In handlers, in destructors, before its start,
// between two waits.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using weft_test::at_end;
using weft_test::until_parked;

namespace {

// Parks for good, in turn by every kind of wait that needs nobody else.
void park_for_good(int kind) {
  switch (kind % 5) {
    case 0: weft::chan<int>().recv(); break;
    case 1: weft::chan<int>().send(1); break;
    case 2: weft::select(); break;
    case 3: weft::sleep_for(1h); break;
    case 4: {
      std::optional<int> out;
      weft::chan<int>().recv_for(out, 1h);
    }
  }
}

}  // namespace

TEST_CASE("the end finds a goroutine parked in a handler", "[runtime][end]") {
  const int count = int(weft_test::scaled(200)) + 5;
  std::atomic<int> exits = 0;
  std::atomic<int> went_on = 0;
  auto token = std::make_shared<int>(0);
  weft::run([&] {
    for (int i = 0; i < count; ++i) {
      weft::go([&, token, i] {
        struct carries : std::runtime_error {
          explicit carries(std::shared_ptr<int> t) : std::runtime_error("caught"), kept(t) {}
          std::shared_ptr<int> kept;
        };
        try {
          throw carries(token);
        } catch (...) {
          try {
            try {
              throw i;
            } catch (int) {
              park_for_good(i);
              ++went_on;
            }
          } catch (const weft::goroutine_exit&) {
            ++exits;
            throw;
          }
        }
      });
    }
    until_parked(count);
  });
  CHECK(exits == count);
  CHECK(went_on == 0);
  CHECK(token.use_count() == 1);  // the caught exceptions have been destroyed
}

TEST_CASE("the end finds a goroutine parked in a catch of everything", "[runtime][end]") {
  std::atomic<int> again = 0;
  std::atomic<int> ended = 0;
  weft::run([&] {
    for (int i = 0; i < 20; ++i) {
      weft::go([&, i] {
        at_end note([&] { ++ended; });
        try {
          throw 1;
        } catch (...) {
          try {
            park_for_good(i);
          } catch (...) {
            // Swallowed; thrown again from where it waits next, in a handler as it is.
            try {
              park_for_good(i + 1);
            } catch (const weft::goroutine_exit&) {
              ++again;
            }
          }
        }
        weft::yield();
        ++again;  // not reached
      });
    }
    until_parked(20);
  });
  CHECK(again == 20);
  CHECK(ended == 20);
}

TEST_CASE("the end finds a goroutine parked in a destructor with an exception in flight",
          "[runtime][end]") {
  // Its wait is not ended: it goes on until its partner, which unwinds itself, comes.
  std::atomic<int> received = 0;
  std::atomic<int> caught = 0;
  std::atomic<int> exits = 0;
  weft::run([&] {
    weft::chan<int> c;
    for (int i = 0; i < 10; ++i) {
      weft::go([&, c] {
        try {
          at_end waits([&] { received += c.recv().value_or(-1000); });
          throw std::runtime_error("in flight");
        } catch (const std::runtime_error&) {
          ++caught;
        }
        try {
          weft::yield();
        } catch (const weft::goroutine_exit&) {
          ++exits;
        }
      });
      weft::go([&, c, i] {
        at_end sends([&] { c.send(i); });
        park_for_good(i);
      });
    }
    until_parked(20);
  });
  CHECK(received == 45);
  CHECK(caught == 10);
  CHECK(exits == 10);
}

TEST_CASE("the end finds a goroutine in a destructor at normal exit, under an exit_guard",
          "[runtime][end]") {
  std::atomic<int> finished = 0;
  weft::run([&] {
    weft::chan<void> c;
    for (int i = 0; i < 10; ++i) {
      weft::go([&, c] {
        at_end waits([&] {
          weft::exit_guard guard;
          c.recv();
          ++finished;
        });
      });
      weft::go([&, c, i] {
        at_end sends([&] { c.send(); });
        park_for_good(i);
      });
    }
    until_parked(20);
  });
  CHECK(finished == 10);
}

TEST_CASE("the end finds waits inside waits: destructors that spawn, select, lock and sleep",
          "[runtime][end]") {
  // What a destructor starts now is destroyed unstarted; everything else works, in flight.
  std::atomic<int> steps = 0;
  weft::mutex m;  // not main's, since they use it after main has ended
  weft::chan<int> never;
  weft::run([&] {
    for (int i = 0; i < 10; ++i) {
      weft::go([&, i] {
        at_end busy([&] {
          weft::sleep_for(100us);
          ++steps;
          if (weft::select(weft::on_recv(never), weft::on_timeout(100us)) == 1) ++steps;
          m.lock();
          weft::yield();
          m.unlock();
          ++steps;
          auto unstarted = weft::spawn([] { return 1; });
          unstarted.wait();
          if (unstarted.done()) ++steps;
        });
        park_for_good(i);
      });
    }
    until_parked(10);
  });
  CHECK(steps == 40);
}

TEST_CASE("all states at once, run after run", "[runtime][end]") {
  auto token = std::make_shared<int>(0);
  const int rounds = int(weft_test::scaled(100)) + 1;
  for (int round = 0; round < rounds; ++round) {
    weft::run([&] {
      for (int i = 0; i < 40; ++i) {
        weft::go([token, i] {
          at_end keep([token] {});
          switch (i % 4) {
            case 0: park_for_good(i); break;
            case 1:
              for (;;) weft::yield();
            case 2:
              try {
                throw i;
              } catch (...) {
                park_for_good(i);
              }
              break;
            case 3: {
              auto inner = weft::spawn([token, i] { park_for_good(i); });
              inner.wait();
            }
          }
        });
      }
      // Some have started by then, and some have not.
      for (int k = 0; k < round % 7; ++k) weft::yield();
    });
    REQUIRE(token.use_count() == 1);
  }
}

TEST_CASE("several runtimes end while others run on", "[runtime][end]") {
  const int rounds = int(weft_test::scaled(40)) + 1;
  weft::chan<int> shared;
  weft::runtime lasting({.workers = 2});
  auto echo = std::make_shared<std::atomic<int>>(0);
  lasting.go([shared, echo] {
    for (int v : shared) *echo += v;
  });
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (int r = 0; r < rounds; ++r) {
        weft::run([&] {
          weft::go([] { park_for_good(0); });
          weft::go([shared] {
            for (;;) weft::yield();
          });
          shared.send(1);
        });
      }
    });
  }
  for (auto& t : threads) t.join();
  shared.close();
  lasting.run([&] {
    while (*echo < 3 * rounds) weft::yield();
  });
  CHECK(*echo == 3 * rounds);
}
