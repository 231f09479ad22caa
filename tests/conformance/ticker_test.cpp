// ticker: Go's time/tick_test.go where there is one.
#include "collect.hpp"
#include "left_over.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <utility>

using namespace std::chrono_literals;
using weft::chan_status;
using weft::clock;

static_assert(std::is_same_v<decltype(std::declval<weft::ticker&>().channel()),
                             weft::recv_chan<clock::time_point>>);
static_assert(std::is_nothrow_move_constructible_v<weft::ticker>);
static_assert(!std::is_copy_constructible_v<weft::ticker>);

TEST_CASE("TestTicker: every tick at its time, none early", "[time][ticker]") {
  auto check = [] {
    const auto start = clock::now();
    weft::ticker t(2ms);
    for (int i = 1; i <= 10; ++i) {
      auto tick = t.channel().recv();
      REQUIRE(tick.has_value());
      // At least i periods have gone by: late ticks may have been dropped, none comes early.
      CHECK(*tick - start >= i * 2ms);
      CHECK(clock::now() >= *tick);
    }
  };
  check();
  weft::run(check);
}

TEST_CASE("a ticker does not drift: its ticks stand on the grid", "[time][ticker]") {
  // A tick that was late does not delay the next, so some two come less than a period apart. With a
  // ticker that counted from its last tick that would never happen.
  weft::run([] {
    const auto period = 1500us;
    weft::ticker t(period);
    clock::time_point last = *t.channel().recv();
    for (;;) {
      const clock::time_point next = *t.channel().recv();
      if (next - last < period) break;
      last = next;
    }
    SUCCEED();
  });
}

TEST_CASE("TestTickerStop: no tick after stop", "[time][ticker]") {
  auto check = [] {
    std::optional<clock::time_point> out;
    for (int i = 0; i < 5; ++i) {
      weft::ticker t(1ms);
      t.channel().recv();
      weft::sleep_for(2ms);  // one stands in the channel
      t.stop();
      CHECK(t.channel().try_recv(out) == chan_status::empty);
      CHECK(t.channel().recv_for(out, 4ms) == chan_status::timeout);
      CHECK_FALSE(t.channel().closed());
      t.stop();
    }
  };
  check();
  weft::run(check);
}

TEST_CASE("a slow receiver finds one tick, the others are dropped", "[time][ticker]") {
  weft::run([] {
    weft::ticker t(1ms);
    weft::sleep_for(20ms);
    auto c = t.channel();
    t.reset(1h);  // takes it away
    std::optional<clock::time_point> out;
    CHECK(c.try_recv(out) == chan_status::empty);
    t.reset(1ms);
    weft::sleep_for(20ms);
    CHECK(c.size() <= 1);
    CHECK(c.recv().has_value());
    CHECK(c.recv().has_value());
  });
}

TEST_CASE("TestTickerResetLtZeroDuration, TestNewTickerLtZeroDuration", "[time][ticker]") {
  CHECK_THROWS_AS(weft::ticker(0ms), std::invalid_argument);
  CHECK_THROWS_AS(weft::ticker(-1ms), std::invalid_argument);
  CHECK_THROWS_AS(weft::ticker(-1h * 100000), std::invalid_argument);
  weft::ticker t(1ms);
  CHECK_THROWS_AS(t.reset(0ms), std::invalid_argument);
  CHECK_THROWS_AS(t.reset(-1ns), std::invalid_argument);
  CHECK(t.channel().recv().has_value());  // it goes on
  weft::ticker never(std::chrono::hours::max());
  std::optional<clock::time_point> out;
  CHECK(never.channel().try_recv(out) == chan_status::empty);
}

TEST_CASE("TestTickerReset: the new period counts from the reset", "[time][ticker]") {
  weft::run([] {
    weft::ticker t(1h);
    for (auto d : {3ms, 1ms, 4ms}) {
      const auto start = clock::now();
      t.reset(d);
      for (int i = 1; i <= 3; ++i) CHECK(*t.channel().recv() - start >= i * d);
    }
    t.stop();
    const auto start = clock::now();
    t.reset(2ms);  // it may be set again
    CHECK(*t.channel().recv() - start >= 2ms);
  });
}

TEST_CASE("reset of a ticker racing with its ticks: none is stale", "[time][ticker]") {
  const int count = weft_test::scaled(500);
  int early = 0;
  weft::run([&] {
    weft::ticker t(50us);
    for (int i = 0; i < count; ++i) {
      weft::sleep_for(std::chrono::microseconds(i % 90));
      const auto start = clock::now();
      const auto d = std::chrono::microseconds(20 + i % 60);
      t.reset(d);
      early += *t.channel().recv() - start < d;
    }
  });
  CHECK(early == 0);
}

TEST_CASE("reset and stop of one ticker by several goroutines", "[time][ticker]") {
  const int count = weft_test::scaled(2000);
  weft::run([&] {
    weft::ticker t(30us);
    weft::wait_group group;
    for (int g = 0; g < 4; ++g) {
      group.go([&, g] {
        for (int i = 0; i < count; ++i) {
          if ((i + g) % 3 == 0) {
            t.stop();
          } else {
            t.reset(std::chrono::microseconds(1 + (i * 7) % 50));
          }
          if (i % 16 == 0) weft::yield();
        }
      });
    }
    group.wait();
    t.reset(1ms);
    CHECK(t.channel().recv().has_value());
    t.stop();
    weft_test::until_nothing_is_left();
  });
}

TEST_CASE("destroying a ticker stops it, moving it does not", "[time][ticker]") {
  weft::run([] {
    weft::recv_chan<clock::time_point> orphan;
    {
      weft::ticker t(1ms);
      orphan = t.channel();
    }
    std::optional<clock::time_point> out;
    CHECK(orphan.recv_for(out, 5ms) == chan_status::timeout);
    weft::ticker a(1ms);
    auto c = a.channel();
    weft::ticker b = std::move(a);
    CHECK((b.channel() == c));
    CHECK(c.recv().has_value());
    CHECK(c.recv().has_value());
    b = weft::ticker(1h);
    CHECK(c.recv_for(out, 5ms) == chan_status::timeout);
    b.stop();
    weft_test::until_nothing_is_left();
  });
}

TEST_CASE("TestTeardown: short-lived tickers leave no timer", "[time][ticker]") {
  weft::run([] {
    for (int i = 0; i < 3; ++i) {
      weft::ticker t(10ms);
      t.channel().recv();
      t.stop();
    }
    weft_test::until_nothing_is_left();
    SUCCEED();
  });
}

TEST_CASE("a ticker outlives its runtime and goes on in the default one", "[time][ticker]") {
  std::optional<weft::ticker> t;
  weft::run([&] {
    t.emplace(1ms);
    t->channel().recv();
  });
  for (int i = 0; i < 3; ++i) CHECK(t->channel().recv().has_value());
}
