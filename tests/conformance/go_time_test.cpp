// What Go's time/sleep_test.go and time/tick_test.go test of timers with a channel, under its names,
// as of Go 1.23. The code is ours. And points in time that no clock reaches.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::chan_status;
using weft::clock;
using weft::on_default;
using weft::on_recv;
using weft::on_timeout;
using weft::select;

namespace {

bool ticks_now(const weft::timer& t) {
  std::optional<clock::time_point> out;
  return t.channel().try_recv(out) == chan_status::ok;
}

}  // namespace

TEST_CASE("TestAfterTick", "[time][go-test]") {
  weft::run([] {
    const auto start = clock::now();
    for (int i = 0; i < 10; ++i) weft::after(2ms).recv();
    CHECK(clock::now() - start >= 20ms);
  });
}

TEST_CASE("TestAfterStop", "[time][go-test]") {
  // Stopped before it fires, it has not fired after a longer one has.
  weft::run([] {
    for (int i = 0; i < 5; ++i) {
      auto longer = weft::after(30ms);
      weft::timer first(1h);
      weft::timer second(10ms);
      CHECK(first.stop());
      CHECK(second.stop());
      longer.recv();
      CHECK_FALSE(ticks_now(first));
      CHECK_FALSE(ticks_now(second));
      CHECK_FALSE(second.stop());
    }
  });
}

TEST_CASE("TestOverflowSleep", "[time][go-test]") {
  std::atomic<bool> returned = false;
  weft::run([&] {
    weft::go([&] {
      weft::sleep_for(std::chrono::nanoseconds::max());
      returned = true;
    });
    weft_test::until_parked(1);
    auto big = weft::after(std::chrono::nanoseconds::max());
    CHECK(select(on_recv(big), on_recv(weft::after(5ms))) == 1);
    weft::sleep_for(std::chrono::nanoseconds::min());
    CHECK(weft::after(std::chrono::nanoseconds::min()).recv().has_value());
    CHECK(weft::after(std::chrono::hours::min()).recv().has_value());
    auto bigger = weft::after(std::chrono::hours::max());
    CHECK(select(on_recv(bigger), on_timeout(1ms)) == 1);
  });
  CHECK_FALSE(returned);
}

TEST_CASE("TestZeroTimer", "[time][go-test]") {
  // The scheduler misses no timer of no time.
  const int count = weft_test::scaled(20000);
  auto check = [count] {
    int ticks = 0;
    for (int i = 0; i < count; ++i) ticks += weft::timer(0s).channel().recv().has_value();
    weft::timer same(1h);
    for (int i = 0; i < count; ++i) {
      same.reset(0s);
      ticks += same.channel().recv().has_value();
    }
    return ticks;
  };
  CHECK(weft::run(check) == 2 * count);
  std::atomic<int> ticks = 0;
  std::thread([&] {
    for (int i = 0; i < count / 10; ++i) ticks += weft::after(0s).recv().has_value();
  }).join();
  CHECK(ticks == count / 10);
}

TEST_CASE("TestTimerModifiedEarlier", "[time][go-test]") {
  // Moving a timer to earlier times, again and again, does not lose it.
  weft::run([] {
    const int count = weft_test::scaled(1000);
    int ticks = 0;
    for (int i = 0; i < count; ++i) {
      weft::timer t(1h);
      for (int j = 0; j < 10; ++j) {
        t.stop();
        t.reset(-30 * 365 * 24h);
      }
      ticks += select(on_recv(t.channel()), on_timeout(1h)) == 0;
    }
    CHECK(ticks == count);
  });
}

TEST_CASE("TestAdjustTimers", "[time][go-test]") {
  // Many timers, each moved later and earlier and stopped, in any order among each other.
  weft::run([] {
    std::minstd_rand random(20260101);
    std::vector<std::optional<weft::timer>> timers(100);
    std::vector<int> states(timers.size(), 0);
    std::vector<std::size_t> left(timers.size());
    for (std::size_t i = 0; i < left.size(); ++i) left[i] = i;
    bool good = true;
    while (!left.empty()) {
      const std::size_t at = random() % left.size();
      const std::size_t i = left[at];
      auto& t = timers[i];
      switch (states[i]++) {
        case 0: t.emplace(0s); break;
        case 1: t->channel().recv(); break;
        case 2: good = !t->reset(1h) && good; break;
        case 4: good = !t->reset(3h) && good; break;
        case 6: good = !t->reset(2h) && good; break;
        case 3:
        case 5:
        case 7: good = t->stop() && good; break;
        case 8: good = !t->reset(0s) && good; break;
        case 9: t->channel().recv(); break;
        case 10: left.erase(left.begin() + std::ptrdiff_t(at)); break;
      }
    }
    CHECK(good);
  });
}

TEST_CASE("TestStopResult", "[time][go-test]") {
  // What stop says when it races with the firing agrees with whether a tick can be received.
  const int goroutines = weft_test::scaled(200);
  std::atomic<int> wrong = 0;
  weft::run([&] {
    weft::chan<void> start;
    weft::wait_group group;
    for (int g = 0; g < goroutines; ++g) {
      group.go([&] {
        start.recv();
        for (int j = 0; j < 20; ++j) {
          weft::timer one(300us);
          weft::timer two(300us);
          const auto which = select(on_recv(one.channel()), on_recv(two.channel()));
          weft::timer& other = which == 0 ? two : one;
          // Nobody has received its tick, whether it has fired or not.
          if (!other.stop() || ticks_now(other)) ++wrong;
        }
      });
    }
    start.close();
    group.wait();
  });
  CHECK(wrong == 0);
}

TEST_CASE("TestResetResult", "[time][go-test]") {
  const int goroutines = weft_test::scaled(200);
  std::atomic<int> wrong = 0;
  weft::run([&] {
    weft::chan<void> start;
    weft::wait_group group;
    for (int g = 0; g < goroutines; ++g) {
      group.go([&] {
        start.recv();
        for (int j = 0; j < 20; ++j) {
          weft::timer one(300us);
          weft::timer two(300us);
          const auto which = select(on_recv(one.channel()), on_recv(two.channel()));
          weft::timer& other = which == 0 ? two : one;
          if (!other.reset(1h) || ticks_now(other)) ++wrong;
        }
      });
    }
    start.close();
    group.wait();
  });
  CHECK(wrong == 0);
}

TEST_CASE("TestMultiWakeupTimer", "[time][go-test]") {
  // Many set one timer again and receive from it all at once.
  const int count = weft_test::scaled(3000);
  weft::run([&] {
    weft::timer t(1ns);
    weft::wait_group group;
    for (int g = 0; g < 4; ++g) {
      group.go([&] {
        for (int i = 0; i < count; ++i) {
          ticks_now(t);
          t.reset(1ns);
        }
      });
    }
    group.wait();
    t.reset(0s);
    CHECK(t.channel().recv().has_value());
  });
}

TEST_CASE("TestChan of package time: a timer", "[time][go-test]") {
  // Go 1.23: no tick of before is received after stop or reset, whatever the timer did meanwhile.
  weft::run([] {
    weft::timer t(10000s);
    auto c = t.channel();
    t.stop();
    CHECK_FALSE(ticks_now(t));
    t.reset(10000s);
    CHECK_FALSE(ticks_now(t));
    t.reset(1ns);
    weft::sleep_for(2ms);
    CHECK(c.recv().has_value());
    weft::sleep_for(2ms);
    t.reset(10000s);
    CHECK_FALSE(ticks_now(t));

    // Somebody waits already when it is stopped, moved away and moved near.
    auto waits = weft::spawn([c] { return c.recv().has_value(); });
    weft_test::until_parked(1);
    CHECK_FALSE(waits.done());
    CHECK(t.reset(20000s));
    weft::sleep_for(1ms);
    CHECK_FALSE(waits.done());
    CHECK(t.reset(1ns));
    CHECK(waits.get());
    CHECK_FALSE(ticks_now(t));
    CHECK_FALSE(t.stop());

    // Two selects wait for one tick.
    t.reset(10000s);
    weft::chan<void> stop;
    std::atomic<int> got = 0;
    weft::wait_group two;
    for (int i = 0; i < 2; ++i) {
      two.go([&] { got += select(on_recv(c), on_recv(stop)) == 0; });
    }
    weft_test::until_parked(2);
    t.reset(1ms);
    while (got == 0) weft::yield();
    CHECK_FALSE(t.stop());
    stop.close();
    two.wait();
    CHECK(got == 1);

    // Stopped while selects wait: they never see a tick.
    CHECK_FALSE(t.reset(10000s));
    CHECK(t.stop());
    weft::chan<void> stop_again;
    auto unlucky = weft::spawn([&] { return select(on_recv(c), on_recv(stop_again)); });
    weft_test::until_parked(1);
    stop_again.close();
    CHECK(unlucky.get() == 1);

    // A tick that has come but was not received is taken back.
    t.reset(1ns);
    weft::sleep_for(2ms);
    CHECK(t.stop());
    CHECK_FALSE(ticks_now(t));
    CHECK_FALSE(t.reset(1h));
    CHECK_FALSE(ticks_now(t));
    CHECK(t.reset(1ns));
    CHECK(c.recv().has_value());
    weft::sleep_for(2ms);
    CHECK_FALSE(ticks_now(t));
    CHECK_FALSE(t.reset(1h));
    CHECK_FALSE(ticks_now(t));
  });
}

TEST_CASE("TestAfterTimes", "[time][go-test]") {
  // A tick that nobody fetched for long still says when it came.
  weft::run([] {
    for (int i = 0; i < 10; ++i) {
      const auto start = clock::now();
      auto c = weft::after(2ms);
      weft::sleep_for(20ms);
      const auto at = c.recv().value() - start;
      if (at < 15ms) {
        SUCCEED();
        return;
      }
    }
    // Ten times in a row the machine kept the timer's thread for that long: says nothing.
    WARN("too busy to tell");
  });
}

// ---- Limits that no clock reaches ------------------------------------------------------------

namespace {

using std::chrono::steady_clock;
using std::chrono::system_clock;

template <class Point>
bool passed(Point at) {
  weft::chan<int> c;
  std::optional<int> v;
  bool good = c.recv_until(v, at) == chan_status::timeout;
  good = c.send_until(1, at) == chan_status::timeout && good;
  good = select(on_recv(c), on_timeout(at)) == 1 && good;
  weft::sleep_until(at);
  return good;
}

template <class Point>
bool never(Point at) {
  // Waits until a partner comes, however the end of time is written.
  weft::chan<int> c;
  weft::go([c] { c.send(1); });
  std::optional<int> v;
  bool good = c.recv_until(v, at) == chan_status::ok;
  weft::go([c] { c.recv(); });
  good = c.send_until(2, at) == chan_status::ok && good;
  weft::go([c] { c.send(3); });
  return select(on_timeout(at), on_recv(c)) == 1 && good;
}

template <class Duration>
bool passed_after(Duration d) {
  weft::chan<int> c;
  std::optional<int> v;
  bool good = c.recv_for(v, d) == chan_status::timeout;
  good = c.send_for(1, d) == chan_status::timeout && good;
  weft::wait_group group;
  group.add(1);
  good = !group.wait_for(d) && good;
  group.done();
  return select(on_recv(c), on_timeout(d)) == 1 && good;
}

}  // namespace

TEST_CASE("points before and beyond all clocks", "[time]") {
  using hours_of_steady = std::chrono::time_point<steady_clock, std::chrono::hours>;
  using days_of_system = std::chrono::time_point<system_clock, std::chrono::days>;
  using real_of_system =
      std::chrono::time_point<system_clock, std::chrono::duration<double, std::ratio<3600>>>;
  auto check = [] {
    CHECK(passed(clock::time_point::min()));
    CHECK(passed(steady_clock::time_point::min()));
    CHECK(passed(system_clock::time_point::min()));
    CHECK(passed(steady_clock::time_point{}));
    CHECK(passed(system_clock::time_point{}));
    CHECK(passed(hours_of_steady::min()));
    CHECK(passed(days_of_system::min()));
    CHECK(passed(real_of_system::min()));
    CHECK(passed_after(std::chrono::nanoseconds::min()));
    CHECK(passed_after(std::chrono::hours::min()));
    CHECK(passed_after(std::chrono::duration<double>::min()));
    CHECK(passed_after(std::chrono::duration<float>(-1e30f)));
    CHECK(passed_after(std::chrono::duration<int, std::nano>(-1)));
    CHECK(never(clock::time_point::max()));
    CHECK(never(steady_clock::time_point::max()));
    CHECK(never(system_clock::time_point::max()));
    CHECK(never(hours_of_steady::max()));
    CHECK(never(days_of_system::max()));
    CHECK(never(real_of_system::max()));
    CHECK(never(std::chrono::time_point<weft::clock, std::chrono::hours>::max()));
  };
  check();  // in a plain thread
  weft::run(check);
}
