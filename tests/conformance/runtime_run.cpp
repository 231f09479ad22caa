// run: what it returns, what it throws, where it may be called.
#include "collect.hpp"
#include "support/catch.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

namespace {

struct main_failed : std::runtime_error {
  main_failed() : std::runtime_error("main failed") {}
};

}  // namespace

TEST_CASE("run returns what its function returns", "[runtime]") {
  CHECK(weft::run([] { return 42; }) == 42);
  CHECK(weft::run([] { return std::string("result"); }) == "result");
  auto moved = weft::run([] { return std::make_unique<int>(7); });
  REQUIRE(moved);
  CHECK(*moved == 7);
  static_assert(std::is_void_v<decltype(weft::run([] {}))>);
  int seen = 0;
  weft::run([&] { seen = 1; });
  CHECK(seen == 1);
}

TEST_CASE("run takes a move-only function and options", "[runtime]") {
  auto value = std::make_unique<int>(5);
  CHECK(weft::run([value = std::move(value)] { return *value; }) == 5);
  auto count = [] { return weft::workers(); };
  CHECK(weft::run({.workers = 1}, count) == 1);
  CHECK(weft::run({.workers = 3}, count) == 3);
  CHECK(weft::run({.workers = 2, .stack_size = 1 << 20, .seed = 17}, [] { return 1; }) == 1);
}

TEST_CASE("run throws what its function threw", "[runtime]") {
  CHECK_THROWS_AS(weft::run([]() -> int { throw main_failed(); }), main_failed);
  CHECK_THROWS_AS(weft::run([] { throw 17; }), int);
  // Also after a wait, which may have moved main to another thread.
  CHECK_THROWS_AS(weft::run([] {
                    weft::chan<int> c;
                    weft::go([c] { c.send(1); });
                    c.recv();
                    weft::yield();
                    throw main_failed();
                  }),
                  main_failed);
}

TEST_CASE("run inside a goroutine throws logic_error", "[runtime]") {
  weft::run([] {
    CHECK_THROWS_AS(weft::run([] { return 1; }), std::logic_error);
    CHECK_THROWS_AS(weft::run({.workers = 1}, [] {}), std::logic_error);
    // The outer run is none the worse for it.
    weft::chan<int> c;
    weft::go([c] { c.send(3); });
    CHECK(c.recv() == 3);
  });
  auto result = weft::run([] {
    return weft::spawn([] {
             try {
               weft::run([] {});
             } catch (const std::logic_error&) {
               return true;
             }
             return false;
           })
        .get();
  });
  CHECK(result);
}

TEST_CASE("run after run", "[runtime]") {
  for (int round = 0; round < 20; ++round) {
    int sum = weft::run([round] {
      weft::chan<int> c;
      for (int i = 0; i < 10; ++i) weft::go([c, i] { c.send(i); });
      int sum = round;
      for (int i = 0; i < 10; ++i) sum += *c.recv();
      return sum;
    });
    REQUIRE(sum == 45 + round);
  }
}

TEST_CASE("run by several threads at once", "[runtime]") {
  std::vector<std::thread> threads;
  std::atomic<int> total = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      total += weft::run([] {
        weft::chan<int> c(2);
        weft::go([c] {
          for (int i = 1; i <= 100; ++i) c.send(i);
          c.close();
        });
        int sum = 0;
        for (int v : c) sum += v;
        return sum;
      });
    });
  }
  for (auto& t : threads) t.join();
  CHECK(total == 4 * 5050);
}

TEST_CASE("one thread's runtime, then another's, with nothing between them", "[runtime]") {
  // What one leaves the next one uses, whichever thread it is on. For ThreadSanitizer: nothing but
  // weft's own lock orders the two, since the turns are taken by relaxed accesses.
  std::atomic<int> turn = 0;
  std::atomic<int> uncaught = 0;
  const int rounds = 10;
  auto ends = weft::pipe();
  auto takes_turns = [&](int mine) {
    return std::thread([&, mine] {
      for (int i = 0; i < rounds; ++i) {
        while (turn.load(std::memory_order_relaxed) != 2 * i + mine) std::this_thread::yield();
        weft::options options;
        options.workers = 2 + unsigned(i);
        options.on_uncaught = [&](std::exception_ptr, std::string_view) {
          uncaught.fetch_add(1, std::memory_order_relaxed);
        };
        weft::runtime(options).run([&] {
          weft::chan<int> c(1);
          for (int k = 0; k < 4; ++k) weft::go([c, k] { c.send(k); });
          for (int k = 0; k < 4; ++k) c.recv();
          weft::wait_readable(ends.reader.get(), 100us);
          weft::wait_group group;
          group.go([] { throw 1; });
          group.wait();
          weft::go([] { weft::sleep_for(1h); });
          weft::after(1h);
        });
        turn.store(2 * i + mine + 1, std::memory_order_relaxed);
      }
    });
  };
  auto first = takes_turns(0);
  auto second = takes_turns(1);
  first.join();
  second.join();
  CHECK(uncaught == 2 * rounds);
}

TEST_CASE("exit_goroutine in main makes run throw no_result", "[runtime]") {
  bool unwound = false;
  CHECK_THROWS_AS(weft::run([&] {
                    weft_test::at_end note([&] { unwound = true; });
                    weft::exit_goroutine();
                  }),
                  weft::no_result);
  CHECK(unwound);
  static_assert(std::is_base_of_v<std::logic_error, weft::no_result>);
}

TEST_CASE("the runtime has as many workers as WEFT_WORKERS or options say", "[runtime]") {
  const char* wanted = std::getenv("WEFT_WORKERS");
  unsigned workers = weft::run([] { return weft::workers(); });
  CHECK(workers >= 1);
  if (wanted != nullptr && *wanted != '\0') CHECK(workers == std::stoul(wanted));
}

TEST_CASE("channels cross from one run to the next", "[runtime]") {
  weft::chan<std::string> c(3);
  weft::run([c] {
    c.send("a");
    c.send("b");
  });
  CHECK(c.size() == 2);
  weft::run([c] {
    CHECK(c.recv() == "a");
    CHECK(c.recv() == "b");
    CHECK(c.size() == 0);
  });
}

TEST_CASE("main inside knows where it is", "[runtime]") {
  CHECK_FALSE(weft::this_goroutine::inside());
  CHECK(weft::run([] { return weft::this_goroutine::inside(); }));
  CHECK_FALSE(weft::this_goroutine::inside());
}
