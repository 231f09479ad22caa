// Producers, consumers and closers on channels, goroutines and threads mixed. Sums and counts hold.
#include "conformance/collect.hpp"
#include "stress/chance.hpp"
#include "stress/ledger.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using weft_test::ledger;
using weft::chan_status;

namespace {

// One send in a way that chance picks. False: closed.
bool send_somehow(const weft::chan<std::uint64_t>& c, std::uint64_t v, weft_test::chance& pick) {
  switch (pick.below(5)) {
    case 0: {
      for (;;) {
        auto status = c.send_for(v, std::chrono::microseconds(pick.below(80)));
        if (status != chan_status::timeout) return status == chan_status::ok;
      }
    }
    case 1: {
      // Not for ever: two that only try never meet on an unbuffered channel.
      for (int i = 0; i < 20; ++i) {
        auto status = c.try_send(v);
        if (status != chan_status::full) return status == chan_status::ok;
        weft::yield();
      }
      return c.send_for(v, 1h) == chan_status::ok;
    }
    case 2: {
      weft::chan<int> never;
      try {
        while (weft::select(weft::on_recv(never), weft::on_send(c, v),
                            weft::on_timeout(std::chrono::microseconds(pick.below(80)))) != 1) {
        }
      } catch (const weft::closed_channel&) {
        return false;
      }
      return true;
    }
    default:
      try {
        c.send(v);
      } catch (const weft::closed_channel&) {
        return false;
      }
      return true;
  }
}

// One receive likewise. nullopt: closed and drained.
std::optional<std::uint64_t> receive_somehow(const weft::chan<std::uint64_t>& c,
                                             weft_test::chance& pick) {
  std::optional<std::uint64_t> v;
  switch (pick.below(5)) {
    case 0:
      while (c.recv_for(v, std::chrono::microseconds(pick.below(80))) == chan_status::timeout) {
      }
      return v;
    case 1:
      for (int i = 0; i < 20; ++i) {
        if (c.try_recv(v) != chan_status::empty) return v;
        weft::yield();
      }
      return c.recv();
    case 2: {
      weft::chan<int> never;
      while (weft::select(weft::on_recv(c, v), weft::on_recv(never),
                          weft::on_timeout(std::chrono::microseconds(pick.below(80)))) != 0) {
      }
      return v;
    }
    default:
      return c.recv();
  }
}

}  // namespace

TEST_CASE("many producers and consumers", "[stress][chan]") {
  const std::uint64_t seed = weft_test::first_seed();
  CAPTURE(seed);
  const int each = weft_test::scaled(4000);
  for (std::size_t capacity : {0u, 1u, 3u, 64u}) {
    ledger book;
    weft::chan<std::uint64_t> c(capacity);
    auto produce = [&, c](int who) {
      weft_test::chance pick(seed + std::uint64_t(who));
      for (int i = 0; i < each; ++i) {
        const std::uint64_t v = pick.next() % 1000;
        if (send_somehow(c, v, pick)) book.add_sent(v);
      }
    };
    auto consume = [&, c](int who) {
      weft_test::chance pick(seed + 1000 + std::uint64_t(who));
      while (auto v = receive_somehow(c, pick)) book.add_received(*v);
    };
    std::vector<std::thread> producers;
    std::vector<std::thread> consumers;
    for (int t = 0; t < 2; ++t) {
      producers.emplace_back(produce, 100 + t);
      consumers.emplace_back(consume, 100 + t);
    }
    weft::run([&] {
      weft::wait_group sending;
      weft::wait_group receiving;
      for (int g = 0; g < 6; ++g) sending.go([&, g] { produce(g); });
      for (int g = 0; g < 5; ++g) receiving.go([&, g] { consume(g); });
      sending.wait();
      for (auto& t : producers) t.join();
      c.close();
      receiving.wait();
    });
    for (auto& t : consumers) t.join();
    CHECK(book.sent == 8u * std::uint64_t(each));
    CHECK(book.balanced());
    CHECK(c.size() == 0);
  }
}

TEST_CASE("closers race with both sides", "[stress][chan]") {
  const std::uint64_t seed = weft_test::first_seed();
  CAPTURE(seed);
  const int rounds = weft_test::scaled(400);
  for (int round = 0; round < rounds; ++round) {
    ledger book;
    weft::chan<std::uint64_t> c(std::size_t(round % 4));
    std::atomic<int> closed = 0;
    std::thread outside;
    weft::run([&] {
      weft::wait_group all;
      auto produce = [&](std::uint64_t who) {
        weft_test::chance pick(seed + std::uint64_t(round) * 100 + who);
        for (std::uint64_t i = 0; send_somehow(c, i, pick); ++i) book.add_sent(i);
      };
      auto consume = [&](std::uint64_t who) {
        weft_test::chance pick(seed + std::uint64_t(round) * 100 + 50 + who);
        while (auto v = receive_somehow(c, pick)) book.add_received(*v);
      };
      for (std::uint64_t g = 0; g < 3; ++g) {
        all.go([&, g] { produce(g); });
        all.go([&, g] { consume(g); });
      }
      if (round % 5 == 0) outside = std::thread([&] { consume(9); });
      for (int k = 0; k < 2; ++k) {
        all.go([&, k] {
          weft_test::chance pick(seed + std::uint64_t(round) * 100 + 90 + std::uint64_t(k));
          const int pause = pick.below(30);
          for (int i = 0; i < pause; ++i) weft::yield();
          try {
            c.close();
            ++closed;
          } catch (const weft::closed_channel&) {
          }
        });
      }
      all.wait();
      if (outside.joinable()) outside.join();  // it uses this frame
    });
    REQUIRE(closed == 1);
    REQUIRE(book.balanced());
  }
}

TEST_CASE("channels that come and go between goroutines", "[stress][chan]") {
  // Each request carries its own reply channel, which lives for one answer.
  const int requests = weft_test::scaled(4000);
  std::atomic<int> wrong = 0;
  struct request {
    int value = 0;
    weft::chan<std::unique_ptr<int>> reply;
  };
  weft::run([&] {
    weft::chan<request> server(4);
    weft::wait_group servers;
    for (int s = 0; s < 3; ++s) {
      servers.go([server] {
        for (request& r : server) r.reply.send_for(std::make_unique<int>(r.value * 2), 100us);
      });
    }
    {
      weft::wait_group clients;
      for (int k = 0; k < 6; ++k) {
        clients.go([&, server] {
          for (int i = 0; i < requests; ++i) {
            request r{i, weft::chan<std::unique_ptr<int>>(std::size_t(i % 2))};
            server.send(r);
            std::optional<std::unique_ptr<int>> out;
            // Some clients do not wait for long; the reply finds nobody then.
            if (r.reply.recv_for(out, i % 3 == 0 ? 20us : 2000us) == chan_status::ok) {
              if (**out != 2 * i) ++wrong;
            }
          }
        });
      }
    }
    server.close();
  });
  CHECK(wrong == 0);
}
