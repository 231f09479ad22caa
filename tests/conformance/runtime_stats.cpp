// stats, num_goroutines, dump.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using weft_test::until_parked;

TEST_CASE("num_goroutines counts those alive, main's included", "[runtime][stats]") {
  weft::run([] {
    CHECK(weft::num_goroutines() == 1);
    const int count = weft_test::scaled(100);
    weft::chan<void> release;
    std::vector<weft::join_handle<void>> handles;
    for (int i = 0; i < count; ++i) handles.push_back(weft::spawn([release] { release.recv(); }));
    CHECK(weft::num_goroutines() == std::size_t(count) + 1);
    until_parked(count);
    CHECK(weft::num_goroutines() == std::size_t(count) + 1);
    CHECK(weft::stats().goroutines == std::size_t(count) + 1);
    release.close();
    for (auto& h : handles) h.get();
    // A handle is done a moment before its goroutine is gone.
    while (weft::num_goroutines() > 1) weft::yield();
    CHECK(weft::stats().parked == 0);
  });
}

// What has not begun waits for nothing, wherever it is: in a queue, or on its way from one to another.
TEST_CASE("what has not started is never counted as parked", "[runtime][stats]") {
  std::size_t wrong = 0;
  for (int round = 0; round < int(weft_test::scaled(60)); ++round) {
    weft::run([&] {
      std::atomic<std::size_t> started = 0;
      const std::size_t n = 2000;
      for (std::size_t i = 0; i < n; ++i) {
        weft::go([&] {
          started.fetch_add(1);
          weft::chan<int>().recv();
        });
        if (i % 16 != 0) continue;
        const std::size_t parked = weft::stats().parked;
        if (parked > started) ++wrong;
      }
      for (std::size_t parked = 0; parked < n;) {
        weft::yield();
        parked = weft::stats().parked;
        if (parked > started) ++wrong;
      }
    });
  }
  CHECK(wrong == 0);
}

TEST_CASE("stats count the sleeping workers that are woken", "[runtime][stats]") {
  weft::run({.workers = 2}, [] {
    // Its first task starts a worker's thread; once that sleeps, another task has to wake it.
    while (weft::stats().wakeups == 0) {
      weft::wait_group all;
      for (int i = 0; i < 8; ++i) all.go([] { weft::yield(); });
      all.wait();
      weft::sleep_for(1ms);
    }
  });
  weft::run([] { CHECK(weft::stats().wakeups < 1000); });  // each run counts its own
}

// Nor is one that another thread, weft's or not, is just starting.
TEST_CASE("what another thread starts is never counted as parked", "[runtime][stats]") {
  std::size_t wrong = 0;
  weft::runtime r({.workers = 2});
  std::atomic<bool> stop = false;
  std::atomic<std::size_t> started = 0;
  std::atomic<std::size_t> made = 0;
  const std::size_t most = weft_test::scaled(20'000);
  const auto start = [&] {
    // What has started may park for ever, so `started` is never less than what is parked.
    r.go([&] {
      started.fetch_add(1);
      weft::chan<int>().recv();
    });
    made.fetch_add(1);
  };
  std::thread outside([&] {
    while (!stop && made < most) start();
  });
  r.go([&] {
    started.fetch_add(1);
    while (!stop && made < most) {
      for (int i = 0; i < 20; ++i) start();
      weft::yield();
    }
  });
  for (std::size_t i = 0; i < weft_test::scaled(200'000) && made < most; ++i) {
    const std::size_t parked = r.stats().parked;
    if (parked > started) ++wrong;
  }
  stop = true;
  outside.join();
  CHECK(wrong == 0);
}

// Nor is one that yields, or has ended. Here nobody ever waits.
TEST_CASE("who yields, starts or ends is never counted as parked", "[runtime][stats]") {
  std::size_t wrong = 0;
  weft::run({.workers = 4}, [&] {
    std::atomic<bool> stop = false;
    std::atomic<int> left = 6;
    for (int i = 0; i < 6; ++i) {
      weft::go([&, i] {
        while (!stop) {
          if (i % 2 == 0) weft::go([] { weft::yield(); });
          weft::yield();
        }
        --left;
      });
    }
    for (std::size_t i = 0; i < weft_test::scaled(100'000); ++i) {
      if (weft::stats().parked != 0) ++wrong;
      if (i % 64 == 0) weft::yield();
    }
    stop = true;
    while (left != 0) weft::yield();
  });
  CHECK(wrong == 0);
}

TEST_CASE("stats count what happens", "[runtime][stats]") {
  weft::run({.workers = 2}, [] {
    auto before = weft::stats();
    CHECK(before.workers == 2);
    CHECK(before.goroutines >= 1);
    CHECK(before.parked == 0);
    CHECK(before.abandoned == 0);
    const int count = weft_test::scaled(200);
    std::vector<weft::join_handle<int>> handles;
    for (int i = 0; i < count; ++i) handles.push_back(weft::spawn([i] { return i; }));
    long sum = 0;
    for (auto& h : handles) sum += h.get();
    CHECK(sum == long(count) * (count - 1) / 2);
    auto after = weft::stats();
    CHECK(after.spawned >= before.spawned + count);
    CHECK(after.switches >= before.switches);
  });
}

TEST_CASE("stats see timers", "[runtime][stats]") {
  weft::run([] {
    auto before = weft::stats().timers;
    weft::timer t(1h);
    CHECK(weft::stats().timers >= before + 1);
    t.stop();
    while (weft::stats().timers > before) weft::yield();
  });
  SUCCEED();
}

TEST_CASE("stats of a runtime are its own", "[runtime][stats]") {
  weft::runtime a({.workers = 1});
  weft::runtime b({.workers = 3});
  CHECK(a.stats().workers == 1);
  CHECK(b.stats().workers == 3);
  a.run([] {
    for (int i = 0; i < 10; ++i) weft::spawn([] {}).get();
  });
  CHECK(a.stats().spawned >= 10);
  CHECK(b.stats().spawned < 10);
}

TEST_CASE("dump lists every goroutine with id, name and state", "[runtime][stats]") {
  weft::run([] {
    weft::chan<void> release;
    weft::chan<std::uint64_t> ids;
    auto reader = weft::spawn([=] {
      weft::this_goroutine::name("the patient one");
      ids.send(weft::this_goroutine::id());
      release.recv();
    });
    auto sleeper = weft::spawn([=] {
      weft::this_goroutine::name("the sleepy one");
      ids.send(weft::this_goroutine::id());
      weft::select(weft::on_recv(release), weft::on_timeout(1h));
    });
    auto first = *ids.recv();
    auto second = *ids.recv();
    until_parked(2);
    std::ostringstream out;
    weft::dump(out);
    std::string text = out.str();
    CAPTURE(text);
    auto has = [&](const std::string& part) { return text.find(part) != std::string::npos; };
    CHECK(has("the patient one"));
    CHECK(has("the sleepy one"));
    CHECK(has(std::to_string(first)));
    CHECK(has(std::to_string(second)));
    CHECK(has(std::to_string(weft::this_goroutine::id())));
    release.close();
    reader.get();
    sleeper.get();
  });
}

TEST_CASE("dump while goroutines come and go", "[runtime][stats]") {
  weft::run([] {
    weft::chan<void> stop;
    std::vector<weft::join_handle<void>> churn;
    for (int i = 0; i < 4; ++i) {
      churn.push_back(weft::spawn([stop] {
        while (!stop.closed()) {
          weft::spawn([] { weft::yield(); }).get();
        }
      }));
    }
    const int rounds = weft_test::scaled(50);
    for (int i = 0; i < rounds; ++i) {
      std::ostringstream out;
      weft::dump(out);
      REQUIRE_FALSE(out.str().empty());
      weft::yield();
    }
    stop.close();
    for (auto& c : churn) c.get();
  });
}
