// More of the programs in Go's test/chan, under their names. The code is ours.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <malloc.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <queue>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::chan_status;
using weft::on_default;
using weft::on_recv;
using weft::on_send;
using weft::on_timeout;
using weft::select;

TEST_CASE("select", "[go-test]") {
  // A channel variable set to nil takes its case out; every value is computed for every select.
  int counter = 0;
  unsigned shift = 0;
  auto value = [&] {
    ++counter;
    return 1u << shift;
  };
  auto send = [&](weft::chan<unsigned> a, weft::chan<unsigned> b) {
    int sent = 0;
    for (bool more = true; more; ++shift) {
      select(on_send(a, value(),
                     [&] {
                       ++sent;
                       a = nullptr;
                     }),
             on_send(b, value(),
                     [&] {
                       ++sent;
                       b = nullptr;
                     }),
             on_default([&] {
               more = false;
               --shift;
             }));
    }
    return sent;
  };
  weft::chan<unsigned> a(1);
  weft::chan<unsigned> b(1);
  CHECK(send(a, b) == 2);
  CHECK((*a.recv() | *b.recv()) == 3);
  CHECK(send(a, nullptr) == 1);
  CHECK(counter == 10);
}

TEST_CASE("select2", "[go-test]") {
  // A hundred thousand selects that wait leave no memory behind.
  if (weft_test::under_tsan || weft_test::under_asan) return;
  const int count = 100000;
  weft::run([] {
    weft::chan<int> c;
    weft::chan<int> dummy;
    auto round = [&] {
      auto sender = weft::spawn([&] {
        for (int i = 0; i < count; ++i) c.send(1);
      });
      bool right = true;
      for (int i = 0; i < count; ++i) right = select(on_recv(c), on_recv(dummy)) == 0 && right;
      sender.get();
      return right;
    };
    CHECK(round());
    const auto before = mallinfo2();
    CHECK(round());
    const auto after = mallinfo2();
    CHECK(after.uordblks + after.hblkhd < before.uordblks + before.hblkhd + 110'000);
  });
}

TEST_CASE("select4", "[go-test]") {
  // What would be done with a value is not done for a case that is not chosen.
  weft::chan<int> c(1);
  weft::chan<int> never;
  c.send(42);
  int x = 0;
  bool called = false;
  select(on_recv(never, [&](std::optional<int>) { called = true; }),
         on_recv(c, [&](std::optional<int> v) { x = *v; }));
  CHECK(x == 42);
  CHECK_FALSE(called);
}

TEST_CASE("select5", "[go-test]") {
  // One ready operation in every company: with a default before or after it, with cases that are
  // never ready, with nil ones, in every order, in all forms that say the same.
  weft::chan<int> c(1);
  weft::chan<int> dummy;
  weft::chan<int> nil = nullptr;
  int n = 1;
  int made = 0;
  for (unsigned company = 0; company < 64; ++company) {
    for (int way = 0; way < 4; ++way) {
      for (const bool receive : {true, false}) {
        if (receive) c.send(n);
        std::optional<int> x;
        std::vector<weft::select_case> cases;
        auto maybe = [&](unsigned bit) { return (company >> bit & 1) != 0; };
        if (maybe(0)) cases.push_back(on_default([] {}));
        if (maybe(2)) cases.push_back(on_send(dummy, 1));
        if (maybe(4)) cases.push_back(on_send(nil, 1));
        const std::size_t right = cases.size();
        weft::recv_chan<int> in = c;
        weft::send_chan<int> out = c;
        if (receive) {
          switch (way) {
            case 0: cases.push_back(on_recv(c, x)); break;
            case 1: cases.push_back(on_recv(in, x)); break;
            case 2: cases.push_back(on_recv(c, [&](std::optional<int> v) { x = v; })); break;
            case 3: cases.push_back(on_recv(in, [&](auto v) { x = *v; })); break;
          }
        } else {
          const int lvalue = n;
          switch (way) {
            case 0: cases.push_back(on_send(c, n)); break;
            case 1: cases.push_back(on_send(out, lvalue)); break;
            case 2: cases.push_back(on_send(c, n + 0, [] {})); break;
            case 3: cases.push_back(on_send(out, short(n), [&] { x = n; })); break;
          }
        }
        if (maybe(1) && !maybe(0)) cases.push_back(on_default([] {}));
        if (maybe(3)) cases.push_back(on_recv(dummy));
        if (maybe(5)) cases.push_back(on_recv(nil));
        REQUIRE(select(cases) == right);
        if (!receive) x = c.recv();
        REQUIRE(x == n);
        ++n;
        ++made;
      }
    }
  }
  CHECK(made == 512);
}

TEST_CASE("select8", "[go-test]") {
  // A handler that returns early leaves its select and nothing else. (Go's break.)
  weft::run([] {
    weft::chan<int> c;
    weft::go([c] {
      for (;;) c.send(5);
    });
    int after = 0;
    auto returns_early = [&](std::optional<int> v) {
      if (v == 5) return;
      after = -100;
    };
    select(on_recv(c, returns_early));
    ++after;
    select(on_default([] { return; }));
    ++after;
    select(on_recv(c, returns_early), on_default([] {}));
    ++after;
    select(on_recv(c, returns_early), on_send(c, 10), on_default([] {}));
    ++after;
    CHECK(after == 4);
  });
}

TEST_CASE("sendstmt", "[go-test]") {
  // A channel as the value of a channel, sent to as soon as it is received; an expression as value.
  weft::chan<weft::chan<int>> cc(1);
  weft::chan<int> c(1);
  cc.send(c);
  CHECK(select(on_send(*cc.recv(), 2), on_default([] {})) == 0);
  CHECK(c.recv() == 2);
  weft::chan<bool> b(1);
  b.send(false || true);
  CHECK(b.recv() == true);
}

TEST_CASE("sieve2", "[go-test]") {
  // The sieve with a heap of the heads of channels of multiples, merged: many goroutines, each with
  // a full buffer.
  const std::vector<int> primes = weft::run([] {
    weft::chan<int> odds(50);
    weft::go([odds] {
      for (int n = 5;; n += 2) odds.send(n);
    });
    auto multiples = [](int p) {
      weft::chan<int> out(10);
      weft::go([out, p] {
        for (int n = p * p;; n += 2 * p) out.send(n);
      });
      return out;
    };
    weft::chan<int> composites(50);
    weft::chan<int> found;
    weft::go([=] {
      using head = std::pair<int, weft::chan<int>>;
      auto later = [](const head& a, const head& b) { return a.first > b.first; };
      std::priority_queue<head, std::vector<head>, decltype(later)> heads(later);
      auto first = multiples(3);
      heads.emplace(*first.recv(), first);
      auto next = multiples(5);
      int next_head = *next.recv();
      int p = 5;
      for (;;) {
        int m = heads.top().first;
        while (m < next_head) {
          composites.send(m);
          auto c = heads.top().second;
          heads.pop();
          heads.emplace(*c.recv(), c);
          m = heads.top().first;
        }
        heads.emplace(next_head, next);
        // The next prime's multiples.
        for (bool prime = false; !prime;) {
          p += 2;
          prime = true;
          for (int d = 3; d * d <= p; d += 2) prime = prime && p % d != 0;
        }
        next = multiples(p);
        next_head = *next.recv();
      }
    });
    weft::go([=] {
      found.send(2);
      found.send(3);
      int composite = *composites.recv();
      for (int n : odds) {
        while (composite < n) composite = *composites.recv();
        if (n < composite) found.send(n);
      }
    });
    std::vector<int> primes;
    const std::size_t count = weft_test::under_tsan ? 30 : 100;
    for (std::size_t i = 0; i < count; ++i) primes.push_back(*found.recv());
    return primes;
  });
  int n = 1;
  for (int p : primes) {
    for (bool prime = false; !prime;) {
      ++n;
      prime = true;
      for (int d = 2; d * d <= n; ++d) prime = prime && n % d != 0;
    }
    CHECK(p == n);
  }
}
