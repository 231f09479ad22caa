// select: closed and nil channels, default, time-outs.
#include "collect.hpp"
#include "support/catch.hpp"
#include "values.hpp"

#include <weft/weft.hpp>

#include <chrono>

using namespace std::chrono_literals;
using weft::on_default;
using weft::on_recv;
using weft::on_send;
using weft::on_timeout;
using weft::select;
using weft_test::until_parked;

TEST_CASE("a send case on a closed channel throws when chosen", "[select][close]") {
  weft::chan<int> c(1);
  c.close();
  bool handled = false;
  CHECK_THROWS_AS(select(on_send(c, 1, [&] { handled = true; })), weft::closed_channel);
  CHECK_THROWS_AS(select(on_send(c, 1), on_default([&] { handled = true; })),
                  weft::closed_channel);
  CHECK_FALSE(handled);
  weft::run([] {
    weft::chan<int> d;
    weft::chan<int> other;
    auto waiting = weft::spawn([d, other] {
      try {
        select(on_recv(other), on_send(d, 1));
      } catch (const weft::closed_channel&) {
        return true;
      }
      return false;
    });
    until_parked(1);
    d.close();
    CHECK(waiting.get());
    // It stands in no other queue any more.
    CHECK(other.try_send(1) == weft::chan_status::full);
  });
}

TEST_CASE("nil channels are never ready", "[select][nil]") {
  weft::chan<int> nil = nullptr;
  weft::chan<int> c(1);
  CHECK(select(on_recv(nil), on_send(nil, 1), on_default([] {})) == 2);
  CHECK(select(on_recv(nil), on_send(nil, 1), on_timeout(1ms)) == 2);
  CHECK(select(on_recv(nil), on_send(nil, 1), on_send(c, 2)) == 2);
  CHECK(select(on_recv(nil), on_recv(c)) == 1);
  weft::chan<void> nil_signal = nullptr;
  CHECK(select(on_recv(nil_signal), on_send(nil_signal), on_default([] {})) == 2);
}

TEST_CASE("default only when nothing is ready", "[select]") {
  weft::chan<int> c(1);
  for (int i = 0; i < 100; ++i) {
    CHECK(select(on_default([] {}), on_recv(c)) == 0);
    c.send(i);
    CHECK(select(on_default([] {}), on_recv(c)) == 1);
  }
  CHECK(select(on_default([] {})) == 0);
}

TEST_CASE("time-outs: never early, at once when past, after everything ready", "[select][time]") {
  weft::chan<int> c(1);
  for (auto limit : {1ms, 5ms}) {
    auto start = weft::clock::now();
    bool handled = false;
    CHECK(select(on_recv(c), on_timeout(limit, [&] { handled = true; })) == 1);
    CHECK(weft::clock::now() - start >= limit);
    CHECK(handled);
    start = weft::clock::now();
    CHECK(select(on_recv(c), on_timeout(start + limit)) == 1);
    CHECK(weft::clock::now() - start >= limit);
  }
  CHECK(select(on_recv(c), on_timeout(0ms)) == 1);
  CHECK(select(on_recv(c), on_timeout(-1s)) == 1);
  CHECK(select(on_recv(c), on_timeout(weft::clock::now() - 1h)) == 1);
  for (int i = 0; i < 50; ++i) {
    c.send(i);
    CHECK(select(on_timeout(0ms), on_recv(c)) == 1);
    c.send(i);
    CHECK(select(on_recv(c), on_timeout(weft::clock::now() - 1s)) == 0);
  }
  // Of two time-outs the nearer one is taken.
  CHECK(select(on_timeout(1h), on_timeout(1ms), on_recv(c)) == 1);
  CHECK(select(on_timeout(1ms)) == 0);
  c.send(1);
  CHECK(select(on_recv(c), on_timeout(std::chrono::hours::max())) == 0);
}

TEST_CASE("default comes before a time-out that has passed", "[select][time]") {
  weft::chan<int> c;
  for (int i = 0; i < 50; ++i) {
    CHECK(select(on_timeout(-1s), on_recv(c), on_default([] {})) == 2);
    CHECK(select(on_default([] {}), on_timeout(0ms)) == 0);
  }
}
