// command::async_wait, for coroutines.
#include "collect.hpp"
#include "coroutines.hpp"
#include "processes.hpp"
#include "support/scale.hpp"

#include <atomic>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include <signal.h>

using namespace std::chrono_literals;
using weft_test::has_children;
using weft_test::shell;
using weft_test::until_parked;

TEST_CASE("a coroutine waits for a process", "[os][command][coro]") {
  const auto work = []() -> weft::coro<int> {
    weft::command c = shell("read line; exit 3");
    c.stdin_from(weft::stdio::pipe).start();
    c.stdin_pipe().write("x\n");
    const weft::exit_status status = co_await c.async_wait();
    const weft::exit_status again = co_await c.async_wait(0s);
    co_return status.code.value_or(-1) * 10 + again.code.value_or(-1);
  };
  CHECK(weft::spawn(work).get() == 33);
  weft::run([&] { CHECK(weft::spawn(work).get() == 33); });
  CHECK_FALSE(has_children());
}

TEST_CASE("a coroutine's wait reaches its limit, or its context's end", "[os][command][coro]") {
  weft::run([] {
    const auto limited = [](weft::wait_limit limit,
                            std::chrono::milliseconds grace) -> weft::coro<weft::exit_status> {
      weft::command c("sleep", {"1000"});
      c.kill_grace(grace).start();
      co_return co_await c.async_wait(limit);
    };
    const auto killed = weft::spawn(limited, 1ms, 0ms).get();
    CHECK(killed.limit_reached);
    CHECK(killed.signal == SIGKILL);
    CHECK(weft::spawn(limited, 1ms, 60s).get().signal == SIGTERM);
    auto [ctx, cancel] = weft::with_cancel(weft::background());
    auto cancelled = weft::spawn(limited, ctx, 0ms);
    weft::yield();
    cancel();
    CHECK(cancelled.get().limit_reached);
  });
  CHECK_FALSE(has_children());
}

TEST_CASE("async_wait before start", "[os][command][coro]") {
  weft::command c("true");
  CHECK_THROWS_AS(c.async_wait(), std::logic_error);
}

TEST_CASE("many coroutines wait for processes", "[os][command][coro]") {
  const std::size_t many = weft_test::scaled(200);
  weft::run([&] {
    std::vector<weft::join_handle<bool>> all;
    for (std::size_t i = 0; i < many; ++i) {
      all.push_back(weft::spawn([]() -> weft::coro<bool> {
        weft::command c("true");
        c.start();
        co_return (co_await c.async_wait()).ok();
      }));
    }
    std::size_t good = 0;
    for (auto& h : all) good += h.get();
    CHECK(good == many);
  });
  CHECK_FALSE(has_children());
}

namespace {

weft_test::eager waits_for(weft::command& c, std::optional<weft::exit_status>& into) {
  into = co_await c.async_wait();
}

}  // namespace

TEST_CASE("a coroutine that waits for a process is destroyed", "[os][command][coro]") {
  weft::run([] {
    weft::command c("sleep", {"1000"});
    c.start();
    std::optional<weft::exit_status> status;
    {
      auto waiting = waits_for(c, status);
    }
    c.kill();
    CHECK(c.wait().signal == SIGKILL);
    CHECK_FALSE(status.has_value());
  });
}

TEST_CASE("a run ends while coroutines wait for processes", "[os][command][coro]") {
  weft::run([] {
    for (int i = 0; i < 5; ++i) {
      weft::go([i]() -> weft::coro<> {
        weft::command c("sleep", {"1000"});
        c.kill_grace(60s).start();
        co_await c.async_wait(i % 2 == 0 ? weft::wait_limit() : weft::wait_limit(1h));
      });
    }
    until_parked(5);
  });
  CHECK_FALSE(has_children());
}
