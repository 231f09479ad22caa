// Coroutines and the end of a run; deadlock.
#include "collect.hpp"
#include "coroutines.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::chan;
using weft::coro;
using weft_test::at_end;
using weft_test::eager;
using weft_test::until_parked;

namespace {

// What is suspended at the end is left by goroutine_exit, which passes through all that await it.
struct tally {
  std::atomic<int> begun = 0;
  std::atomic<int> exits = 0;
  std::atomic<int> destroyed = 0;
  std::atomic<int> went_on = 0;
};

template <class Await>
coro<> wait_for_end(tally& t, Await await) {
  at_end note([&] { ++t.destroyed; });
  ++t.begun;
  try {
    co_await await();
    ++t.went_on;
  } catch (const weft::goroutine_exit&) {
    ++t.exits;
    throw;
  }
}

template <class Await>
coro<> outer(tally& t, Await await) {
  at_end note([&] { ++t.destroyed; });
  co_await wait_for_end(t, await);
  ++t.went_on;
}

// `waiting`: how many wait for each, itself included.
template <class Await>
void check_end(Await await, std::size_t waiting = 1) {
  tally t;
  const int count = static_cast<int>(weft_test::scaled(300));
  weft::run([&] {
    for (int i = 0; i < count; ++i) weft::go(outer(t, await));
    while (t.begun < count) weft::yield();
    until_parked(waiting * static_cast<std::size_t>(count));
  });
  CHECK(t.exits == count);
  CHECK(t.destroyed == 2 * count);
  CHECK(t.went_on == 0);
}

}  // namespace

TEST_CASE("a run's end leaves every kind of await by goroutine_exit", "[coro][end]") {
  chan<int> c;
  check_end([c] { return c.async_recv(); });
  check_end([c] { return c.async_send(1); });
  check_end([] { return chan<int>(nullptr).async_recv(); });
  check_end([] { return weft::async_sleep_for(1h); });
  check_end([] { return weft::async_sleep_for(std::chrono::hours::max()); });
  check_end([c]() -> coro<std::size_t> {
    co_return co_await weft::async_select(weft::on_recv(c), weft::on_timeout(1h));
  });
  check_end([]() -> coro<std::size_t> { co_return co_await weft::async_select(); });
  auto group = std::make_shared<weft::wait_group>();
  group->add(1);
  check_end([group] { return group->async_wait(); });
  // What has ended before it is waited for is no wait: all of them have to be there.
  check_end(
      [c]() -> coro<> {
        auto h = weft::spawn([c] { c.recv(); });
        co_await h.async_wait();
      },
      2);
}

TEST_CASE("unstarted coroutines never run and their frames are destroyed", "[coro][end]") {
  auto token = std::make_shared<int>(1);
  std::atomic<int> ran = 0;
  const int count = static_cast<int>(weft_test::scaled(1000));
  auto body = [&ran](std::shared_ptr<int>) -> coro<> {
    ++ran;
    co_return;
  };
  std::optional<weft::join_handle<>> handle;
  weft::run({.workers = 1}, [&] {
    for (int i = 0; i < count; ++i) {
      weft::go(body(token));
      weft::go(body, token);
    }
    handle = weft::spawn(body(token));
  });
  CHECK(ran == 0);
  CHECK(token.use_count() == 1);
  CHECK_THROWS_AS(handle->get(), weft::no_result);
}

TEST_CASE("a spawned coroutine that the end leaves gives no_result", "[coro][end]") {
  std::optional<weft::join_handle<int>> handle;
  weft::run([&] {
    auto body = []() -> coro<int> { co_return *co_await chan<int>(nullptr).async_recv(); };
    handle = weft::spawn(body);
    until_parked(1);
  });
  CHECK(handle->done());
  CHECK_THROWS_AS(handle->get(), weft::no_result);
}

TEST_CASE("a coroutine that swallows goroutine_exit gets it again", "[coro][end]") {
  std::atomic<int> exits = 0;
  weft::run([&] {
    weft::go([&exits]() -> coro<> {
      chan<int> c;
      for (int i = 0; i < 3; ++i) {
        try {
          co_await c.async_recv();
        } catch (const weft::goroutine_exit&) {
          ++exits;
        }
      }
      try {
        weft::yield();
      } catch (const weft::goroutine_exit&) {
        ++exits;
      }
      co_await weft::async_sleep_for(0ms);
      ++exits;  // not reached
    });
    until_parked(1);
  });
  CHECK(exits == 4);
}

TEST_CASE("nobody sees what another's unwinding does, coroutines included", "[coro][end]") {
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> served = 0;
    weft::run([&] {
      chan<int> c;
      struct sender {
        chan<int> to;
        ~sender() { to.try_send(1); }
      };
      for (int i = 0; i < 4; ++i) {
        weft::go([c] {
          sender s{c};
          chan<int>(nullptr).recv();
        });
        weft::go([](chan<int> from, std::atomic<int>& count) -> coro<> {
          sender s{from};
          co_await from.async_recv();
          ++count;
        }(c, served));
      }
      until_parked(8);
    });
    CHECK(served == 0);
  }
}

TEST_CASE("a goroutine that unwinds may destroy a suspended coroutine that it owns",
          "[coro][end]") {
  std::atomic<int> destroyed = 0;
  const int count = static_cast<int>(weft_test::scaled(200));
  weft::run([&] {
    for (int i = 0; i < count; ++i) {
      weft::go([&] {
        auto body = [](std::atomic<int>& d) -> eager {
          at_end note([&d] { ++d; });
          co_await chan<int>(nullptr).async_recv();
        };
        eager owned = body(destroyed);
        chan<int>(nullptr).recv();
      });
    }
    until_parked(2 * static_cast<std::size_t>(count));
  });
  CHECK(destroyed == count);
}

TEST_CASE("a goroutine may wait for a coroutine while it unwinds", "[coro][end]") {
  std::atomic<bool> ended = false;
  weft::run([&] {
    weft::go([&] {
      weft::wait_group group;  // its destructor waits
      group.go([&]() -> coro<> {
        at_end note([&] { ended = true; });
        co_await chan<int>(nullptr).async_recv();
      });
      chan<int>(nullptr).recv();
    });
    until_parked(2);
  });
  CHECK(ended);
}

TEST_CASE("the end of a runtime object unwinds its coroutines", "[coro][end]") {
  std::atomic<int> unwound = 0;
  {
    weft::runtime own({.workers = 2});
    for (int i = 0; i < 10; ++i) {
      own.go([&unwound]() -> coro<> {
        at_end note([&] { ++unwound; });
        co_await chan<int>(nullptr).async_recv();
      });
    }
    while (own.stats().parked < 10) std::this_thread::yield();
  }
  CHECK(unwound == 10);
}

TEST_CASE("suspended coroutines alone are a deadlock", "[coro][end]") {
  bool caught = false;
  std::atomic<int> unwound = 0;
  weft::run([&] {
    chan<int> c;
    weft::go([](chan<int> from, std::atomic<int>& n) -> coro<> {
      at_end note([&n] { ++n; });
      co_await from.async_recv();
    }(c, unwound));
    try {
      chan<int>().recv();
    } catch (const weft::deadlock_error&) {
      caught = true;
    }
  });
  CHECK(caught);
  CHECK(unwound == 1);
}

TEST_CASE("a coroutine that sleeps is no deadlock", "[coro][end]") {
  weft::run([&] {
    chan<int> c;
    weft::go([](chan<int> to) -> coro<> {
      co_await weft::async_sleep_for(20ms);
      co_await to.async_send(1);
    }(c));
    CHECK(c.recv() == 1);
  });
}

TEST_CASE("suspended coroutines count as goroutines", "[coro][runtime]") {
  weft::run([] {
    chan<int> c;
    for (int i = 0; i < 5; ++i) weft::go([](chan<int> from) -> coro<> { co_await from.async_recv(); }(c));
    until_parked(5);
    CHECK(weft::num_goroutines() == 6);
    for (int i = 0; i < 5; ++i) c.send(i);
    while (weft::num_goroutines() > 1) weft::yield();
  });
}
