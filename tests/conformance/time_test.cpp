// sleep, after, timer: Go's time/sleep_test.go and tick tests where there is one.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::chan_status;
using weft::clock;

static_assert(clock::is_steady);
static_assert(std::is_same_v<decltype(weft::after(1ms)), weft::recv_chan<clock::time_point>>);
static_assert(std::is_same_v<decltype(std::declval<weft::timer&>().channel()),
                             weft::recv_chan<clock::time_point>>);
static_assert(std::is_nothrow_move_constructible_v<weft::timer>);
static_assert(!std::is_copy_constructible_v<weft::timer>);

TEST_CASE("TestSleep: never early", "[time]") {
  auto check = [] {
    for (auto d : {0us, 1us, 50us, 1000us, 3700us, 20000us}) {
      auto start = clock::now();
      weft::sleep_for(d);
      CHECK(clock::now() - start >= d);
      start = clock::now();
      weft::sleep_until(start + d);
      CHECK(clock::now() >= start + d);
    }
    weft::sleep_for(-1h);
    weft::sleep_for(std::chrono::duration<double>(0.001));
    weft::sleep_until(clock::now() - 1h);
    weft::sleep_until(clock::time_point::min());
  };
  check();
  weft::run(check);
}

TEST_CASE("many sleepers, none early, all woken", "[time]") {
  const int count = weft_test::scaled(1000);
  std::atomic<int> early = 0;
  std::atomic<int> woken = 0;
  weft::run([&] {
    weft::wait_group group;
    for (int i = 0; i < count; ++i) {
      group.go([&, i] {
        auto d = std::chrono::microseconds((i * 7919) % 30000);
        auto start = clock::now();
        weft::sleep_for(d);
        if (clock::now() - start < d) ++early;
        ++woken;
      });
    }
    group.wait();
  });
  CHECK(early == 0);
  CHECK(woken == count);
}

TEST_CASE("TestAfter", "[time]") {
  auto check = [] {
    auto start = clock::now();
    auto c = weft::after(5ms);
    auto tick = c.recv();
    REQUIRE(tick.has_value());
    CHECK(*tick - start >= 5ms);
    CHECK(clock::now() >= *tick);
    CHECK_FALSE(c.closed());
    std::optional<clock::time_point> out;
    CHECK(c.try_recv(out) == chan_status::empty);
    CHECK(weft::after(-1s).recv().has_value());
    CHECK(weft::after(0s).recv().has_value());
  };
  check();
  weft::run(check);
}

TEST_CASE("TestAfterQueuing", "[time]") {
  // Set in any order, several for the same time: all fire, none before its time.
  weft::run([] {
    weft::chan<std::pair<int, clock::time_point>> results(16);
    const std::vector<int> slots = {5, 3, 6, 6, 6, 1, 1, 2, 7, 9, 4, 8, 0};
    auto start = clock::now();
    weft::wait_group group;
    for (int slot : slots) {
      group.go([=] { results.send({slot, *weft::after(slot * 3ms).recv()}); });
    }
    for (std::size_t i = 0; i < slots.size(); ++i) {
      auto [slot, at] = *results.recv();
      CHECK(at - start >= slot * 3ms);
    }
    group.wait();
  });
}

TEST_CASE("a timer ticks once, at its time", "[time][timer]") {
  auto check = [] {
    auto start = clock::now();
    weft::timer t(4ms);
    auto tick = t.channel().recv();
    REQUIRE(tick.has_value());
    CHECK(*tick - start >= 4ms);
    CHECK_FALSE(t.stop());
    std::optional<clock::time_point> out;
    CHECK(t.channel().recv_for(out, 2ms) == chan_status::timeout);
    // And once more after a reset.
    start = clock::now();
    CHECK_FALSE(t.reset(2ms));
    CHECK(*t.channel().recv() - start >= 2ms);
    CHECK_FALSE(t.stop());
  };
  check();
  weft::run(check);
}

TEST_CASE("stop before the tick", "[time][timer]") {
  weft::run([] {
    weft::timer t(1h);
    CHECK(t.stop());
    CHECK_FALSE(t.stop());
    std::optional<clock::time_point> out;
    CHECK(t.channel().try_recv(out) == chan_status::empty);
    CHECK_FALSE(t.reset(1ms));
    CHECK(t.channel().recv().has_value());
  });
}

TEST_CASE("after stop or reset no stale tick is received", "[time][timer]") {
  weft::run([] {
    std::optional<clock::time_point> out;
    for (int i = 0; i < 10; ++i) {
      // Fired for certain, but not received.
      weft::timer t(0ms);
      weft::sleep_for(2ms);
      CHECK(t.stop());
      CHECK(t.channel().try_recv(out) == chan_status::empty);
      CHECK(t.channel().recv_for(out, 1ms) == chan_status::timeout);
      CHECK_FALSE(t.reset(0ms));
      weft::sleep_for(2ms);
      auto start = clock::now();
      CHECK(t.reset(3ms));
      CHECK(*t.channel().recv() - start >= 3ms);
    }
  });
}

TEST_CASE("reset moves the tick in both directions", "[time][timer]") {
  weft::run([] {
    weft::timer t(1h);
    CHECK(t.reset(1ms));
    CHECK(t.channel().recv().has_value());
    CHECK_FALSE(t.reset(1ms));
    auto start = clock::now();
    CHECK(t.reset(10ms));
    CHECK(*t.channel().recv() - start >= 10ms);
    CHECK_FALSE(t.reset(std::chrono::hours::max()));
    CHECK(t.stop());
  });
}

TEST_CASE("TestTimerStopStress: stop racing with the firing", "[time][timer]") {
  const int count = weft_test::scaled(500);
  std::atomic<int> wrong = 0;
  weft::run([&] {
    weft::wait_group group;
    for (int i = 0; i < count; ++i) {
      group.go([&, i] {
        weft::timer t(std::chrono::microseconds(i % 300));
        weft::sleep_for(std::chrono::microseconds((i * 7) % 300));
        auto c = t.channel();
        std::optional<clock::time_point> out;
        if (i % 2 == 0) {
          const bool stopped = t.stop();
          const bool ticked = c.try_recv(out) == chan_status::ok;
          // Nobody has received: the stop always finds the tick not received.
          if (!stopped || ticked) ++wrong;
        } else {
          // Received by a select that races with it: exactly one of both has the tick.
          auto receiver = weft::spawn([c] {
            std::optional<clock::time_point> got;
            return weft::select(weft::on_recv(c, got), weft::on_timeout(1ms)) == 0;
          });
          const bool stopped = t.stop();
          if (stopped == receiver.get()) ++wrong;
        }
      });
    }
    group.wait();
  });
  CHECK(wrong == 0);
}

TEST_CASE("TestReset: reset racing with the firing", "[time][timer]") {
  const int count = weft_test::scaled(500);
  int early = 0;
  weft::run([&] {
    weft::timer t(0ms);
    for (int i = 0; i < count; ++i) {
      weft::sleep_for(std::chrono::microseconds(i % 50));
      auto start = clock::now();
      t.reset(std::chrono::microseconds(i % 60));
      early += *t.channel().recv() - start < std::chrono::microseconds(i % 60);
    }
  });
  CHECK(early == 0);
}

TEST_CASE("destroying a timer stops it, moving it does not", "[time][timer]") {
  weft::run([] {
    weft::recv_chan<clock::time_point> orphan;
    {
      weft::timer t(1ms);
      orphan = t.channel();
    }
    std::optional<clock::time_point> out;
    CHECK(orphan.recv_for(out, 8ms) == chan_status::timeout);
    weft::timer a(3ms);
    auto c = a.channel();
    weft::timer b = std::move(a);
    CHECK((b.channel() == c));
    CHECK(c.recv().has_value());
    weft::timer other(1h);
    other = weft::timer(2ms);
    CHECK(other.channel().recv().has_value());
  });
}

TEST_CASE("timers and sleeps in plain threads", "[time][threads]") {
  std::atomic<int> ticks = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      auto start = clock::now();
      weft::sleep_for(1ms * i);
      weft::timer t(2ms);
      t.channel().recv();
      if (clock::now() - start >= 1ms * i + 2ms) ++ticks;
    });
  }
  for (auto& t : threads) t.join();
  CHECK(ticks == 4);
}

TEST_CASE("a tick for several receivers goes to one", "[time][timer]") {
  weft::run([] {
    weft::timer t(1ms);
    std::atomic<int> got = 0;
    weft::chan<void> first(4);
    weft::chan<void> enough;
    weft::wait_group group;
    for (int i = 0; i < 4; ++i) {
      group.go([&, c = t.channel()] {
        if (weft::select(weft::on_recv(c), weft::on_recv(enough)) == 0) {
          ++got;
          first.send();
        }
      });
    }
    first.recv();
    for (int i = 0; i < 10; ++i) weft::yield();
    enough.close();
    group.wait();
    CHECK(got == 1);
  });
}

TEST_CASE("TestSleepZeroDeadlock", "[time]") {
  // Sleeping for nothing while others do the same never hangs.
  const int count = weft_test::scaled(1000);
  weft::run([count] {
    weft::wait_group group;
    for (int g = 0; g < 3; ++g) {
      group.go([count] {
        for (int i = 0; i < count; ++i) weft::sleep_for(0ns);
      });
    }
    group.wait();
  });
  SUCCEED();
}
