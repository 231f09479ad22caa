// run's end: what happens to the goroutines that nobody waited for.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <chrono>
#include <exception>
#include <memory>
#include <type_traits>
#include <vector>

using namespace std::chrono_literals;
using weft_test::at_end;

static_assert(!std::is_base_of_v<std::exception, weft::goroutine_exit>);

TEST_CASE("unstarted goroutines never run and their callables are destroyed", "[runtime][end]") {
  auto token = std::make_shared<int>(1);
  std::atomic<int> ran = 0;
  const int count = weft_test::scaled(1000);
  weft::run({.workers = 1}, [&] {
    for (int i = 0; i < count; ++i) weft::go([token, &ran] { ++ran; });
  });
  CHECK(ran == 0);
  CHECK(token.use_count() == 1);
  // With more workers some of them may have started; nothing may be left either way.
  std::vector<char> ballast(200);
  weft::run([&] {
    for (int i = 0; i < count; ++i) weft::go([token, ballast] { weft::chan<int>().recv(); });
  });
  CHECK(token.use_count() == 1);
}

TEST_CASE("a goroutine parked at the end gets goroutine_exit", "[runtime][end]") {
  std::atomic<int> exits = 0;
  std::atomic<int> destructors = 0;
  std::atomic<int> went_on = 0;
  const int count = weft_test::scaled(500);
  weft::run([&] {
    weft::chan<void> started;
    for (int i = 0; i < count; ++i) {
      weft::go([&, started] {
        at_end outer([&] { ++destructors; });
        try {
          at_end inner([&] { ++destructors; });
          started.send();
          weft::chan<int>(nullptr).recv();
          ++went_on;
        } catch (const weft::goroutine_exit&) {
          ++exits;
          throw;
        }
      });
    }
    for (int i = 0; i < count; ++i) started.recv();
  });
  CHECK(exits == count);
  CHECK(destructors == 2 * count);
  CHECK(went_on == 0);
}

TEST_CASE("main's exception also ends the others", "[runtime][end]") {
  std::atomic<bool> unwound = false;
  CHECK_THROWS_AS(weft::run([&] {
                    weft::chan<void> started;
                    weft::go([&, started] {
                      at_end note([&] { unwound = true; });
                      started.send();
                      weft::chan<int>().recv();
                    });
                    started.recv();
                    throw 1;
                  }),
                  int);
  CHECK(unwound);
}

TEST_CASE("whoever swallows goroutine_exit gets it again at the next wait", "[runtime][end]") {
  std::atomic<int> caught = 0;
  std::atomic<bool> in_catch_again = false;
  weft::run([&] {
    weft::chan<void> started;
    weft::go([&, started] {
      weft::chan<int> never;
      started.send();
      for (int i = 0; i < 5; ++i) {
        try {
          never.recv();
        } catch (const weft::goroutine_exit&) {
          ++caught;
        }
      }
      try {
        weft::yield();
      } catch (const weft::goroutine_exit&) {
        ++caught;
        // Inside a catch block nothing is in flight any more: the wait throws.
        try {
          never.send(1);
        } catch (const weft::goroutine_exit&) {
          in_catch_again = true;
        }
      }
    });
    started.recv();
  });
  CHECK(caught == 6);
  CHECK(in_catch_again);
}

TEST_CASE("a catch of everything sees goroutine_exit too", "[runtime][end]") {
  std::atomic<bool> as_exception = false;
  std::atomic<bool> as_anything = false;
  weft::run([&] {
    weft::chan<void> started;
    weft::go([&, started] {
      started.send();
      try {
        try {
          weft::select();
        } catch (const std::exception&) {
          as_exception = true;
        }
      } catch (...) {
        as_anything = true;
        throw;
      }
    });
    started.recv();
  });
  CHECK_FALSE(as_exception);
  CHECK(as_anything);
}

TEST_CASE("destructors that run because of goroutine_exit may wait", "[runtime][end]") {
  std::atomic<int> received = 0;
  weft::run([&] {
    weft::chan<void> started;
    weft::chan<int> between;
    weft::go([&, started, between] {
      at_end send([&] { between.send(11); });
      started.send();
      weft::chan<int>().recv();
    });
    weft::go([&, started, between] {
      at_end receive([&] { received = between.recv().value_or(-1); });
      started.send();
      weft::sleep_for(1h);
    });
    started.recv();
    started.recv();
  });
  CHECK(received == 11);
}

TEST_CASE("an exit_guard keeps waits from throwing goroutine_exit", "[runtime][end]") {
  std::atomic<int> received = 0;
  std::atomic<bool> throws_after = false;
  weft::run([&] {
    weft::chan<void> started;
    weft::chan<int> between;
    weft::go([&, started, between] {
      started.send();
      try {
        weft::chan<int>().recv();
      } catch (const weft::goroutine_exit&) {
      }
      {
        weft::exit_guard guard;
        {
          weft::exit_guard nested;
        }
        received = between.recv().value_or(-1);
      }
      try {
        between.recv();
      } catch (const weft::goroutine_exit&) {
        throws_after = true;
      }
    });
    weft::go([&, started, between] {
      started.send();
      try {
        weft::chan<int>().recv();
      } catch (const weft::goroutine_exit&) {
      }
      weft::exit_guard guard;
      between.send(12);
    });
    started.recv();
    started.recv();
  });
  CHECK(received == 12);
  CHECK(throws_after);
}

TEST_CASE("a running goroutine gets goroutine_exit at its next wait", "[runtime][end]") {
  std::atomic<bool> ending = false;
  std::atomic<bool> thrown = false;
  std::atomic<bool> went_on = false;
  weft::run([&] {
    weft::chan<void> started(2);
    weft::go([&, started] {
      at_end note([&] { ending = true; });
      started.send();
      weft::chan<int>().recv();
    });
    started.recv();
    weft::go([&, started] {
      started.send();
      while (!ending) {
      }
      try {
        weft::yield();
        went_on = true;
      } catch (const weft::goroutine_exit&) {
        thrown = true;
        throw;
      }
    });
    started.recv();
  });
  CHECK(thrown);
  CHECK_FALSE(went_on);
}

TEST_CASE("goroutines that only yield end, too", "[runtime][end]") {
  std::atomic<int> ended = 0;
  weft::run([&] {
    weft::chan<void> started;
    for (int i = 0; i < 10; ++i) {
      weft::go([&, started] {
        at_end note([&] { ++ended; });
        started.send();
        for (;;) weft::yield();
      });
    }
    for (int i = 0; i < 10; ++i) started.recv();
  });
  CHECK(ended == 10);
}
