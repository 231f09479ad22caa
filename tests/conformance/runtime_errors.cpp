// Uncaught exceptions, deadlock inside run, and the grace at its end.
#include "collect.hpp"
#include "support/catch.hpp"

#include <weft/weft.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft_test::at_end;

namespace {

// Keeps what on_uncaught was told.
class uncaught_log {
 public:
  weft::options options(unsigned workers = 0) {
    weft::options o;
    o.workers = workers;
    o.on_uncaught = [this](std::exception_ptr e, std::string_view who) {
      std::string what = "not an exception";
      try {
        std::rethrow_exception(e);
      } catch (const std::exception& x) {
        what = x.what();
      } catch (...) {
      }
      std::lock_guard lock(mutex_);
      entries_.push_back(what + "@" + std::string(who));
    };
    return o;
  }
  std::vector<std::string> entries() const {
    std::lock_guard lock(mutex_);
    return entries_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> entries_;
};

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("on_uncaught is told and the others go on", "[runtime][errors]") {
  uncaught_log log;
  int sum = weft::run(log.options(), [&] {
    weft::chan<int> c;
    weft::go([] {
      weft::this_goroutine::name("careless");
      throw std::runtime_error("spilled");
    });
    weft::go([] { throw 5; });
    for (int i = 1; i <= 10; ++i) weft::go([c, i] { c.send(i); });
    int sum = 0;
    for (int i = 1; i <= 10; ++i) sum += *c.recv();
    while (log.entries().size() < 2) weft::yield();
    return sum;
  });
  CHECK(sum == 55);
  auto entries = log.entries();
  REQUIRE(entries.size() == 2);
  if (!contains(entries[0], "spilled")) std::swap(entries[0], entries[1]);
  CHECK(contains(entries[0], "spilled"));
  CHECK(contains(entries[0], "careless"));
  CHECK(contains(entries[1], "not an exception"));
}

TEST_CASE("goroutine_exit and exit_goroutine are not uncaught", "[runtime][errors]") {
  uncaught_log log;
  weft::run(log.options(), [] {
    weft::chan<void> started;
    weft::go([started] {
      at_end note([started] { started.send(); });
      weft::exit_goroutine();
    });
    weft::go([started] {
      started.send();
      weft::chan<int>().recv();
    });
    started.recv();
    started.recv();
  });
  CHECK(log.entries().empty());
}

TEST_CASE("an exception in a goroutine that unwinds at the end is uncaught", "[runtime][errors]") {
  uncaught_log log;
  weft::run(log.options(), [] {
    weft::chan<void> started;
    weft::go([started] {
      started.send();
      try {
        weft::chan<int>().recv();
      } catch (const weft::goroutine_exit&) {
        throw std::runtime_error("instead");
      }
    });
    started.recv();
  });
  REQUIRE(log.entries().size() == 1);
  CHECK(contains(log.entries()[0], "instead"));
}

TEST_CASE("the exception of a dropped handle is uncaught", "[runtime][errors]") {
  uncaught_log log;
  weft::run(log.options(), [&] {
    weft::chan<void> release;
    {
      auto handle = weft::spawn([release]() -> int {
        release.recv();
        throw std::runtime_error("dropped before");
      });
    }
    release.send();
    while (log.entries().size() < 1) weft::yield();
    {
      auto handle = weft::spawn([]() -> int { throw std::runtime_error("dropped after"); });
      handle.wait();
    }
    while (log.entries().size() < 2) weft::yield();
    {
      // Asked for, so it was caught.
      auto handle = weft::spawn([]() -> int { throw std::runtime_error("fetched"); });
      CHECK_THROWS_AS(handle.get(), std::runtime_error);
    }
  });
  auto entries = log.entries();
  REQUIRE(entries.size() == 2);
  CHECK(contains(entries[0], "dropped before"));
  CHECK(contains(entries[1], "dropped after"));
}

TEST_CASE("a handle dropped by another exception stays silent", "[runtime][errors]") {
  uncaught_log log;
  CHECK_THROWS_AS(weft::run(log.options(), [] {
                    auto handle =
                        weft::spawn([]() -> int { throw std::runtime_error("second"); });
                    handle.wait();
                    throw std::out_of_range("first");
                  }),
                  std::out_of_range);
  CHECK(log.entries().empty());
}

TEST_CASE("a handle dropped in flight before its goroutine throws stays silent",
          "[runtime][errors]") {
  // What counts is when the handle was dropped, not when the goroutine throws.
  uncaught_log log;
  weft::run(log.options(), [] {
    const auto dropped = weft::stats().dropped_exceptions;
    weft::chan<void> release;
    try {
      auto handle = weft::spawn([release]() -> int {
        release.recv();
        throw std::runtime_error("second");
      });
      weft_test::until_parked(1);
      throw std::out_of_range("first");
    } catch (const std::out_of_range&) {
    }
    release.send();
    while (weft::num_goroutines() > 1) weft::yield();
    CHECK(weft::stats().dropped_exceptions == dropped + 1);
  });
  CHECK(log.entries().empty());
}

TEST_CASE("the exception of a dropped handle comes with its goroutine's name",
          "[runtime][errors]") {
  uncaught_log log;
  weft::run(log.options(), [&] {
    {
      auto handle = weft::spawn([] {
        weft::this_goroutine::name("dropped one");
        weft::yield();
        throw std::runtime_error("with a name");
      });
    }
    while (log.entries().empty()) weft::yield();
  });
  REQUIRE(log.entries().size() == 1);
  CHECK(contains(log.entries()[0], "dropped one"));
}

TEST_CASE("on_uncaught is gone after its run", "[runtime][errors]") {
  auto token = std::make_shared<int>(1);
  {
    weft::options options;
    options.on_uncaught = [token](std::exception_ptr, std::string_view) {};
    weft::run(options, [] {});
    weft::runtime own(options);
    own.run([] {});
  }
  CHECK(token.use_count() == 1);
}

TEST_CASE("what wait_group::go started throws is uncaught", "[runtime][errors]") {
  uncaught_log log;
  weft::run(log.options(), [] {
    weft::wait_group group;
    group.go([] { throw std::runtime_error("in the group"); });
    group.wait();
  });
  REQUIRE(log.entries().size() == 1);
  CHECK(contains(log.entries()[0], "in the group"));
}

TEST_CASE("detection off: a run with only waiting goroutines waits", "[runtime][errors]") {
  // A thread frees main in the end; with a foreign thread there is no detection either.
  static_assert(std::is_base_of_v<std::runtime_error, weft::deadlock_error>);
  weft::chan<int> c;
  std::thread helper;
  int got = weft::run({.detect_deadlock = false}, [&] {
    helper = std::thread([c] { c.send(9); });
    return *c.recv();
  });
  helper.join();
  CHECK(got == 9);
}

TEST_CASE("a timer that runs is no deadlock", "[runtime][errors]") {
  CHECK(weft::run([] {
    weft::chan<int> c;
    weft::go([c] {
      weft::sleep_for(20ms);
      c.send(1);
    });
    return *c.recv();
  }) == 1);
}

TEST_CASE("a descriptor that is waited on is no deadlock", "[runtime][errors]") {
  auto ends = weft::pipe();
  std::thread writer;
  weft::run({.detect_deadlock = true}, [&] {
    std::byte one[1];
    weft::go([] { weft::chan<int>().recv(); });
    writer = std::thread([&] { ends.writer.write("x"); });
    CHECK(ends.reader.read(one) == 1);
  });
  writer.join();
}
