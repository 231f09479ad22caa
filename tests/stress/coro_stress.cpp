// Coroutines, goroutines and threads on the same channels, with selects and time-outs; ends of runs
// at any moment. Every value once.
#include "conformance/collect.hpp"
#include "conformance/coroutines.hpp"
#include "stress/chance.hpp"
#include "stress/ledger.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using weft::chan;
using weft::coro;
using weft::on_recv;
using weft::on_send;
using weft::on_timeout;
using weft_test::ledger;

namespace {

using channels = std::array<chan<std::uint64_t>, 3>;

coro<> give_coroutine(const channels& c, ledger& l, std::uint64_t seed, int n) {
  weft_test::chance pick(seed);
  for (int i = 0; i < n; ++i) {
    const std::uint64_t v = pick.next() % 1000;
    auto& first = c[static_cast<std::size_t>(pick.below(3))];
    auto& second = c[static_cast<std::size_t>(pick.below(3))];
    switch (pick.below(3)) {
      case 0: co_await first.async_send(v); break;
      case 1: co_await weft::async_select(on_send(first, v), on_send(second, v)); break;
      default: {
        std::size_t chosen = 0;
        while (chosen == 0) {
          chosen = co_await weft::async_select(
              on_timeout(std::chrono::microseconds(pick.below(60))), on_send(second, v));
        }
      }
    }
    l.add_sent(v);
  }
}

coro<> take_coroutine(const channels& c, ledger& l, const std::atomic<bool>& closing,
                      std::uint64_t seed) {
  weft_test::chance pick(seed);
  int open = 3;
  std::array<chan<std::uint64_t>, 3> mine = c;
  while (open > 0) {
    const auto i = static_cast<std::size_t>(pick.below(3));
    auto took = [&](std::optional<std::uint64_t> v) {
      if (v) l.add_received(*v);
    };
    if (pick.one_in(2) && closing) {
      if (!mine[i]) continue;
      if (std::optional<std::uint64_t> v = co_await mine[i].async_recv()) {
        l.add_received(*v);
      } else {
        mine[i] = chan<std::uint64_t>(nullptr);
        --open;
      }
    } else {
      co_await weft::async_select(on_recv(mine[0], took), on_recv(mine[1], took),
                                  on_recv(mine[2], took),
                                  on_timeout(std::chrono::microseconds(pick.below(60))));
    }
  }
}

}  // namespace

TEST_CASE("coroutines, goroutines and threads on the same channels", "[stress][coro]") {
  const std::uint64_t seed = weft_test::first_seed();
  CAPTURE(seed);
  const int each = static_cast<int>(weft_test::scaled(4000));
  ledger l;
  std::atomic<bool> closing = false;
  weft::run([&] {
    const channels c{chan<std::uint64_t>(0), chan<std::uint64_t>(1), chan<std::uint64_t>(8)};
    weft::wait_group giving;
    weft::wait_group taking;
    for (std::uint64_t k = 0; k < 4; ++k) {
      giving.go(give_coroutine(c, l, seed + k, each));
      taking.go(take_coroutine(c, l, closing, seed + 10 + k));
    }
    for (std::uint64_t k = 0; k < 2; ++k) {
      giving.go([&, k] {
        weft_test::chance pick(seed + 20 + k);
        for (int i = 0; i < each; ++i) {
          const std::uint64_t v = pick.next() % 1000;
          weft::select(on_send(c[0], v), on_send(c[1], v), on_send(c[2], v));
          l.add_sent(v);
        }
      });
      taking.go([&, k] {
        for (std::uint64_t v : c[k]) l.add_received(v);
      });
    }
    std::thread giver([&] {
      for (int i = 0; i < each; ++i) {
        c[static_cast<std::size_t>(i % 3)].send(7);
        l.add_sent(7);
      }
    });
    std::thread taker([&] {
      for (std::uint64_t v : c[2]) l.add_received(v);
    });
    giving.wait();
    giver.join();
    closing = true;
    for (auto& one : c) one.close();
    taking.wait();
    taker.join();
  });
  CHECK(l.sent == static_cast<std::uint64_t>(7 * each));
  CHECK(l.balanced());
}

TEST_CASE("a ring of coroutines passes a token", "[stress][coro]") {
  const int n = static_cast<int>(weft_test::scaled(2000));
  const int rounds = 20;
  weft::run([&] {
    std::vector<chan<int>> ring(static_cast<std::size_t>(n));
    auto pass = [](weft::recv_chan<int> in, weft::send_chan<int> out) -> coro<> {
      while (std::optional<int> v = co_await in.async_recv()) co_await out.async_send(*v + 1);
    };
    for (int i = 0; i + 1 < n; ++i) {
      weft::go(pass(ring[static_cast<std::size_t>(i)], ring[static_cast<std::size_t>(i) + 1]));
    }
    for (int r = 0; r < rounds && n > 1; ++r) {
      ring.front().send(0);
      CHECK(ring.back().recv() == n - 1);
    }
  });
}

TEST_CASE("coroutines join coroutines and count each other off", "[stress][coro]") {
  weft::run([&] {
    struct tree {
      static coro<int> count(int depth) {
        if (depth == 0) co_return 1;
        auto left = weft::spawn(count(depth - 1));
        auto right = weft::spawn(count, depth - 1);
        co_await right.async_wait();
        co_await left.async_wait();
        co_return left.get() + right.get();
      }
    };
    const int depth = weft_test::under_tsan ? 7 : weft_test::under_asan ? 10 : 14;
    CHECK(weft::spawn(tree::count(depth)).get() == 1 << depth);
    weft::wait_group group;
    std::atomic<int> ended = 0;
    auto sleeper = [&](int us) -> coro<> {
      co_await weft::async_sleep_for(std::chrono::microseconds(us));
      ++ended;
    };
    const int n = static_cast<int>(weft_test::scaled(20000));
    for (int i = 0; i < n; ++i) group.go(sleeper(i % 500));
    auto wait = [&]() -> coro<> { co_await group.async_wait(); };
    weft::spawn(wait()).get();
    CHECK(ended == n);
  });
}

TEST_CASE("runs that end while coroutines are busy", "[stress][coro]") {
  const std::uint64_t seed = weft_test::first_seed();
  CAPTURE(seed);
  const int rounds = static_cast<int>(weft_test::scaled(200));
  std::atomic<int> alive = 0;
  struct present {
    std::atomic<int>& count;
    explicit present(std::atomic<int>& c) : count(c) { ++count; }
    ~present() { --count; }
  };
  for (int round = 0; round < rounds; ++round) {
    weft_test::chance pick(seed + static_cast<std::uint64_t>(round));
    weft::run([&] {
      chan<int> a;
      chan<int> b(2);
      auto busy = [](chan<int> x, chan<int> y, std::atomic<int>& count) -> coro<> {
        present here(count);
        for (int i = 0;; ++i) {
          if (i % 3 == 0) co_await weft::async_select(on_send(x, i), on_recv(y), on_timeout(30us));
          if (i % 3 == 1) co_await weft::async_select(on_recv(x), on_send(y, i));
          if (i % 7 == 2) co_await weft::async_sleep_for(10us);
        }
      };
      for (int i = 0; i < 8; ++i) weft::go(busy(a, b, alive));
      weft::go([a, b, &alive] {
        present here(alive);
        for (int i = 0;; ++i) weft::select(on_send(a, i), on_recv(b));
      });
      weft::sleep_for(std::chrono::microseconds(pick.below(2000)));
    });
    REQUIRE(alive == 0);
  }
}

TEST_CASE("suspended coroutines are destroyed while others use their channels", "[stress][coro]") {
  const int rounds = static_cast<int>(weft_test::scaled(3000));
  weft::run([&] {
    // Each goroutine owns its coroutines and a channel; a second, shared one is never ready for them.
    weft::wait_group group;
    chan<int> shared;
    for (int g = 0; g < 4; ++g) {
      group.go([&shared] {
        for (int i = 0; i < rounds; ++i) {
          chan<int> own(1);
          auto wait = [](chan<int> x, chan<int> y) -> weft_test::eager {
            co_await weft::async_select(on_recv(x), on_recv(y), on_timeout(1h));
          };
          auto receive = [](chan<int> x) -> weft_test::eager { co_await x.async_recv(); };
          auto one = wait(own, shared);
          auto two = receive(own);
          auto three = receive(shared);
          one.destroy();
          two.destroy();
          own.send(1);
        }
      });
    }
    group.wait();
    CHECK(shared.try_send(1) == weft::chan_status::full);
    while (weft::stats().timers != 0) weft::yield();  // one that fires counts until all it wakes are woken
    while (weft::num_goroutines() > 1) weft::yield();  // one may be done, and not yet ended
  });
}
