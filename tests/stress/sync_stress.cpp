// Mutexes, wait groups and timers under many at once.
#include "conformance/collect.hpp"
#include "stress/chance.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

TEST_CASE("a bank: transfers under mutexes keep the sum", "[stress][mutex]") {
  const std::uint64_t seed = weft_test::first_seed();
  CAPTURE(seed);
  const int each = weft_test::scaled(3000);
  struct account {
    weft::mutex m;
    long money = 1000;
  };
  std::vector<account> bank(6);
  auto transfer = [&](int who) {
    weft_test::chance pick(seed + std::uint64_t(who));
    for (int i = 0; i < each; ++i) {
      auto& a = bank[std::size_t(pick.below(6))];
      auto& b = bank[std::size_t(pick.below(6))];
      if (&a == &b) continue;
      std::scoped_lock both(a.m, b.m);
      const long amount = pick.below(50);
      a.money -= amount;
      if (pick.one_in(20)) weft::yield();
      if (pick.one_in(100)) weft::sleep_for(20us);
      b.money += amount;
    }
  };
  std::thread outside([&] { transfer(50); });
  weft::run([&] {
    weft::wait_group group;
    for (int g = 0; g < 8; ++g) group.go([&, g] { transfer(g); });
    group.wait();
  });
  outside.join();
  long sum = 0;
  for (auto& a : bank) sum += a.money;
  CHECK(sum == 6000);
}

TEST_CASE("wait groups in phases", "[stress][wait_group]") {
  const int phases = weft_test::scaled(500);
  const int members = 6;
  std::atomic<int> early = 0;
  weft::run([&] {
    for (int phase = 0; phase < phases; ++phase) {
      auto group = std::make_unique<weft::wait_group>();
      std::atomic<int> finished = 0;
      group->add(members);
      for (int i = 0; i < members; ++i) {
        weft::go([&, g = group.get(), i] {
          for (int k = 0; k < i % 3; ++k) weft::yield();
          ++finished;
          g->done();
        });
      }
      std::vector<weft::join_handle<void>> watchers;
      for (int i = 0; i < 2; ++i) {
        watchers.push_back(weft::spawn([&, g = group.get()] {
          while (!g->wait_for(20us)) {
          }
          if (finished != members) ++early;
        }));
      }
      group->wait();
      if (finished != members) ++early;
      for (auto& w : watchers) w.get();
    }
  });
  CHECK(early == 0);
}

TEST_CASE("timers stopped, reset and received by several", "[stress][timer]") {
  const std::uint64_t seed = weft_test::first_seed();
  CAPTURE(seed);
  const int each = weft_test::scaled(1000);
  std::atomic<int> wrong = 0;
  weft::run([&] {
    weft::wait_group group;
    for (int g = 0; g < 6; ++g) {
      group.go([&, g] {
        weft_test::chance pick(seed + std::uint64_t(g));
        weft::timer t(1h);
        auto c = t.channel();
        // Another goroutine takes ticks, too, and counts them.
        std::atomic<int> taken = 0;
        weft::chan<void> over;
        auto helper = weft::spawn([&, c] {
          while (weft::select(weft::on_recv(c, [&](auto) { ++taken; }), weft::on_recv(over)) == 0) {
          }
        });
        int set = 1;
        int withdrawn = 0;
        int own = 0;
        for (int i = 0; i < each; ++i) {
          switch (pick.below(4)) {
            case 0: withdrawn += t.stop(); break;
            case 1: {
              std::optional<weft::clock::time_point> tick;
              if (c.recv_for(tick, std::chrono::microseconds(pick.below(50))) ==
                  weft::chan_status::ok) {
                ++own;
              }
              break;
            }
            default:
              withdrawn += t.reset(std::chrono::microseconds(pick.below(60)));
              ++set;
          }
        }
        withdrawn += t.stop();
        over.send();
        helper.get();
        // Each setting ended in exactly one way.
        if (set != withdrawn + own + taken) ++wrong;
      });
    }
    group.wait();
  });
  CHECK(wrong == 0);
}

TEST_CASE("sleepers of all lengths", "[stress][timer]") {
  const std::uint64_t seed = weft_test::first_seed();
  CAPTURE(seed);
  const int each = weft_test::scaled(300);
  std::atomic<int> early = 0;
  std::thread outside([&] {
    for (int i = 0; i < each; ++i) weft::sleep_for(20us);
  });
  weft::run([&] {
    weft::wait_group group;
    for (int g = 0; g < 50; ++g) {
      group.go([&, g] {
        weft_test::chance pick(seed + std::uint64_t(g));
        for (int i = 0; i < each / 10 + 1; ++i) {
          const auto d = std::chrono::nanoseconds(pick.below(3'000'000));
          const auto start = weft::clock::now();
          weft::sleep_for(d);
          if (weft::clock::now() - start < d) ++early;
        }
      });
    }
    group.wait();
  });
  outside.join();
  CHECK(early == 0);
}
