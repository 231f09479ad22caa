// Selects against selects: symmetric, with time-outs that race, over many channels.
#include "conformance/collect.hpp"
#include "stress/chance.hpp"
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
using weft::on_default;
using weft::on_recv;
using weft::on_send;
using weft::on_timeout;
using weft::select;

TEST_CASE("peers that both send and receive in one select", "[stress][select]") {
  // Each of them offers on one channel and takes from another, both at once. Every value taken
  // was offered exactly once.
  const std::uint64_t seed = weft_test::first_seed();
  CAPTURE(seed);
  const int each = weft_test::scaled(4000);
  const int peers = 6;
  std::atomic<std::uint64_t> given = 0;
  std::atomic<std::uint64_t> taken = 0;
  std::atomic<std::uint64_t> given_sum = 0;
  std::atomic<std::uint64_t> taken_sum = 0;
  weft::run([&] {
    std::vector<weft::chan<std::uint64_t>> ring;
    for (int p = 0; p < peers; ++p) ring.emplace_back(std::size_t(p % 3));
    weft::wait_group group;
    std::atomic<int> giving = peers;
    for (int p = 0; p < peers; ++p) {
      group.go([&, p] {
        weft_test::chance pick(seed + std::uint64_t(p));
        auto take = [&](std::optional<std::uint64_t> v) {
          ++taken;
          taken_sum += *v;
        };
        auto& out = ring[(p + 1) % peers];
        auto& in = ring[p];
        for (int i = 0; i < each;) {
          const std::uint64_t v = pick.next() % 1000;
          auto gave = [&] {
            ++given;
            given_sum += v;
            ++i;
          };
          if (pick.one_in(2)) {
            select(on_send(out, v, gave), on_recv(in, take));
          } else {
            select(on_recv(in, take), on_timeout(std::chrono::microseconds(pick.below(50))),
                   on_send(out, v, gave), on_recv(in, take));
          }
        }
        --giving;
        // Those that have given all still take, or the others could not give.
        while (giving > 0) select(on_recv(in, take), on_timeout(100us));
      });
    }
    group.wait();
    std::optional<std::uint64_t> rest;
    for (auto& c : ring) {
      while (c.try_recv(rest) == weft::chan_status::ok) {
        ++taken;
        taken_sum += *rest;
      }
    }
  });
  CHECK(given == std::uint64_t(peers) * std::uint64_t(each));
  CHECK(given == taken);
  CHECK(given_sum == taken_sum);
}

TEST_CASE("time-outs race with partners on both sides", "[stress][select]") {
  const int each = weft_test::scaled(3000);
  std::atomic<long> sent = 0;
  std::atomic<long> received = 0;
  weft::chan<int> c;
  std::atomic<bool> over = false;
  auto send = [&](int who) {
    for (int i = 0; i < each; ++i) {
      auto limit = std::chrono::microseconds((i * 7 + who * 3) % 40);
      if (select(on_send(c, 1), on_timeout(limit)) == 0) ++sent;
    }
  };
  auto receive = [&](int who) {
    for (int i = 0; !over; ++i) {
      auto limit = std::chrono::microseconds((i * 5 + who * 11) % 40);
      std::optional<int> v;
      if (select(on_recv(c, v), on_timeout(limit)) == 0) received += *v;
    }
  };
  std::thread sender([&] { send(7); });
  std::thread receiver([&] { receive(8); });
  weft::run([&] {
    weft::wait_group senders;
    weft::wait_group receivers;
    for (int g = 0; g < 3; ++g) senders.go([&, g] { send(g); });
    for (int g = 0; g < 3; ++g) receivers.go([&, g] { receive(g); });
    senders.wait();
    sender.join();
    over = true;
    receivers.wait();
  });
  receiver.join();
  CHECK(sent == received);
}

TEST_CASE("selects over overlapping sets of channels", "[stress][select]") {
  // The same channels in different orders, some twice: locks are taken in one order, or this hangs.
  const std::uint64_t seed = weft_test::first_seed();
  CAPTURE(seed);
  const int each = weft_test::scaled(3000);
  const int channels = 7;
  std::atomic<long> balance = 0;
  weft::run([&] {
    std::vector<weft::chan<int>> c;
    for (int i = 0; i < channels; ++i) c.emplace_back(std::size_t(i % 3));
    weft::wait_group group;
    std::atomic<int> left = 8;
    for (int g = 0; g < 8; ++g) {
      group.go([&, g] {
        weft_test::chance pick(seed + std::uint64_t(g));
        long mine = 0;
        for (int i = 0; i < each; ++i) {
          std::vector<weft::select_case> cases;
          const int n = 1 + pick.below(6);
          for (int k = 0; k < n; ++k) {
            auto& channel = c[std::size_t(pick.below(channels))];
            if (pick.one_in(2)) {
              cases.push_back(on_send(channel, 1, [&mine] { ++mine; }));
            } else {
              cases.push_back(on_recv(channel, [&mine](std::optional<int>) { --mine; }));
            }
          }
          cases.push_back(on_timeout(std::chrono::microseconds(pick.below(60))));
          if (pick.one_in(10)) cases.push_back(on_default([] {}));
          select(cases);
        }
        balance += mine;
        --left;
      });
    }
    group.wait();
    long rest = 0;
    for (auto& channel : c) rest += long(channel.size());
    CHECK(balance == rest);
  });
}

TEST_CASE("a select of many channels is woken while it is still letting go of them",
          "[stress][select]") {
  // A descriptor that has become ready since the first look wakes it at once, from another worker:
  // the list of locks must not be made anew while the rest of it is still being walked.
  const std::uint64_t seed = weft_test::first_seed();
  CAPTURE(seed);
  const int rounds = weft_test::scaled(400);
  const std::size_t count = weft_test::scaled(10000);
  int chosen_descriptor = 0;
  weft::run({.workers = 3}, [&] {
    std::vector<weft::chan<int>> channels(count);
    auto ends = weft::pipe();
    std::vector<weft::select_case> cases;
    for (auto& c : channels) cases.push_back(on_recv(c));
    cases.push_back(weft::on_readable(ends.reader.get(), [] {}));
    cases.push_back(on_timeout(0s));
    const auto start = weft::clock::now();
    for (int i = 0; i < 5; ++i) select(cases);
    const auto most = int((weft::clock::now() - start) / 5us) + 10;
    cases.pop_back();
    weft_test::chance pick(seed);
    std::atomic<int> turn = 0;
    auto writes = weft::spawn([&] {
      for (int i = 1; i <= rounds; ++i) {
        while (turn != i) weft::yield();
        const auto until = weft::clock::now() + std::chrono::microseconds(pick.below(most));
        while (weft::clock::now() < until) {
        }
        ends.writer.write("x");
      }
    });
    for (int i = 1; i <= rounds; ++i) {
      turn = i;
      chosen_descriptor += select(cases) == count;
      std::byte one[1];
      ends.reader.read(one);
    }
    writes.get();
  });
  CHECK(chosen_descriptor == rounds);
}

TEST_CASE("closes race with selects", "[stress][select]") {
  const int rounds = weft_test::scaled(500);
  for (int round = 0; round < rounds; ++round) {
    std::atomic<long> sent = 0;
    std::atomic<long> received = 0;
    std::atomic<int> ended = 0;
    weft::run([&] {
      std::array<weft::chan<int>, 3> c = {weft::chan<int>(0), weft::chan<int>(1),
                                          weft::chan<int>(2)};
      weft::wait_group group;
      for (int g = 0; g < 3; ++g) {
        group.go([&] {
          try {
            for (;;) {
              select(on_send(c[0], 1), on_send(c[1], 1), on_send(c[2], 1));
              ++sent;
            }
          } catch (const weft::closed_channel&) {
            ++ended;
          }
        });
        group.go([&] {
          std::array<weft::chan<int>, 3> open = c;
          for (int n = 3; n > 0;) {
            std::optional<int> v;
            auto i = select(on_recv(open[0], v), on_recv(open[1], v), on_recv(open[2], v));
            if (v) {
              ++received;
            } else {
              open[i] = nullptr;
              --n;
            }
          }
          ++ended;
        });
      }
      for (int i = 0; i < round % 20; ++i) weft::yield();
      for (int i = 0; i < 3; ++i) c[std::size_t((i + round) % 3)].close();
      group.wait();
    });
    REQUIRE(ended == 6);
    REQUIRE(sent == received);
  }
}
