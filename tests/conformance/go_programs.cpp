// What the programs in Go's test/chan do, under their names. The code is ours.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"
#include "values.hpp"

#include <weft/weft.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::chan_status;
using weft::on_default;
using weft::on_recv;
using weft::on_send;
using weft::select;

TEST_CASE("doubleselect", "[go-test]") {
  // One value a turn goes to one of four channels in a single select, which also waits for them
  // in turn; no value may come twice.
  const int count = weft_test::scaled(20000);
  weft::run([count] {
    std::array<weft::chan<int>, 4> c;
    weft::chan<int> merged;
    weft::go([c, count] {
      for (int i = 0; i < count; ++i) {
        select(on_send(c[0], i), on_send(c[1], i), on_send(c[2], i), on_send(c[3], i));
      }
      for (auto& x : c) x.close();
    });
    weft::chan<void> done;
    for (auto& x : c) {
      weft::go([x, merged, done] {
        for (int v : x) merged.send(v);
        done.send();
      });
    }
    weft::go([merged, done] {
      for (int i = 0; i < 4; ++i) done.recv();
      merged.close();
    });
    std::vector<char> seen(count, 0);
    int twice = 0;
    int total = 0;
    for (int v : merged) {
      twice += seen[v]++;
      ++total;
    }
    CHECK(twice == 0);
    CHECK(total == count);
  });
}

TEST_CASE("fifo", "[go-test]") {
  weft::run([] {
    {
      weft::chan<int> c(10);
      for (int i = 0; i < 10; ++i) c.send(i);
      for (int i = 0; i < 10; ++i) CHECK(c.recv() == i);
    }
    {
      // A chain: each passes on only after the one before it.
      const int n = 10;
      weft::chan<int> c;
      weft::chan<int> in;
      weft::chan<int> first = in;
      weft::wait_group group;
      weft_test::notes notes;
      for (int i = 0; i < n; ++i) {
        weft::chan<int> out;
        group.go([&notes, c, in, out, i] {
          in.recv();
          notes.expect(c.recv() == i, "value " + std::to_string(i));
          out.send(1);
        });
        in = out;
      }
      weft::go([first] { first.send(0); });
      weft::go([in] { in.recv(); });
      for (int i = 0; i < n; ++i) c.send(i);
      group.wait();
      CHECK(notes.text() == "");
    }
  });
}

TEST_CASE("goroutines", "[go-test]") {
  // A long chain, each adding one.
  const int n = weft_test::scaled(10000);
  weft::run([n] {
    weft::chan<int> leftmost;
    weft::chan<int> left = leftmost;
    for (int i = 0; i < n; ++i) {
      weft::chan<int> right;
      weft::go([left, right] { left.send(*right.recv() + 1); });
      left = right;
    }
    weft::go([left] { left.send(0); });
    CHECK(leftmost.recv() == n);
  });
}

TEST_CASE("nonblock", "[go-test]") {
  // try_send and try_recv with nobody there, with a partner that waits, and with a buffer.
  auto check = [](auto zero, auto value) {
    using T = decltype(value);
    for (std::size_t capacity : {0u, 1u}) {
      weft::chan<T> c(capacity);
      std::optional<T> out;
      CHECK(c.try_recv(out) == chan_status::empty);
      CHECK(select(on_recv(c, out), on_default([] {})) == 1);
      auto receiver = weft::spawn([c, value] { return c.recv() == value; });
      weft_test::until_parked(1);
      CHECK(c.try_send(value) == chan_status::ok);
      CHECK(receiver.get());
      if (capacity == 1) CHECK(c.try_send(zero) == chan_status::ok);
      CHECK(c.try_send(value) == chan_status::full);
      CHECK(select(on_send(c, value), on_default([] {})) == 1);
      auto sender = weft::spawn([c, value] { c.send(value); });
      weft_test::until_parked(1);
      CHECK(c.try_recv(out) == chan_status::ok);
      CHECK((out == (capacity == 1 ? zero : value)));
      if (capacity == 1) CHECK((c.recv() == value));
      sender.get();
    }
  };
  weft::run([&] {
    check(0, 123);
    check(false, true);
    check(std::string(), std::string("hello"));
    check(std::uint64_t(0), ~std::uint64_t(0));
    check(std::array<int, 9>{}, std::array<int, 9>{1, 2, 3});
  });
}

TEST_CASE("select3", "[go-test]") {
  // What must wait and what must not.
  auto waits = [](auto f) {
    auto h = weft::spawn(std::move(f));
    weft_test::until_parked(1);
    CHECK_FALSE(h.done());
  };
  weft::run([&] {
    weft::chan<int> nil = nullptr;
    waits([=] { nil.recv(); });
  });
  weft::run([&] { waits([] { weft::chan<int>(nullptr).send(7); }); });
  weft::run([&] { waits([] { weft::chan<int>().send(7); }); });
  weft::run([&] { waits([] { weft::chan<int>().recv(); }); });
  weft::run([&] { waits([] { select(); }); });
  weft::run([&] {
    waits([] {
      weft::chan<int> nil = nullptr;
      select(on_recv(nil), on_send(nil, 7));
    });
  });
  weft::run([&] {
    waits([] {
      weft::chan<int> c(1);
      c.send(1);
      select(on_send(c, 7));
    });
  });
  weft::chan<int> c(10);
  CHECK(select(on_send(c, 7)) == 0);
  CHECK(select(on_recv(c)) == 0);
  weft::chan<int> closed;
  closed.close();
  CHECK(select(on_recv(closed)) == 0);
  weft::chan<int> empty;
  CHECK(select(on_recv(closed), on_recv(empty)) == 0);
}

TEST_CASE("select6", "[go-test]") {
  // A select that another channel woke leaves a queue in order for those behind it.
  weft::run([] {
    weft::chan<bool> c1;
    weft::chan<bool> c2;
    auto first = weft::spawn([=] { return c1.recv().value(); });
    weft_test::until_parked(1);
    auto chooser = weft::spawn([=] { return select(on_recv(c1), on_recv(c2)); });
    weft_test::until_parked(2);
    auto last = weft::spawn([=] { return c1.recv().value(); });
    weft_test::until_parked(3);
    c2.send(true);
    CHECK(chooser.get() == 1);
    c1.send(true);
    c1.send(false);
    CHECK(first.get());
    CHECK_FALSE(last.get());
  });
}

TEST_CASE("select7", "[go-test]") {
  // Four ways to receive against four ways to send.
  weft::run([] {
    using status = chan_status;
    auto by_recv = [](weft::chan<int> c) { return *c.recv(); };
    auto by_select = [](weft::chan<int> c) {
      std::optional<int> v;
      select(on_recv(c, v));
      return *v;
    };
    auto by_two = [](weft::chan<int> c) {
      weft::chan<int> other;
      std::optional<int> v;
      select(on_recv(c, v), on_recv(other, v));
      return *v;
    };
    auto by_try = [](weft::chan<int> c) {
      std::optional<int> v;
      while (c.try_recv(v) != status::ok) weft::yield();
      return *v;
    };
    const std::vector<std::function<int(weft::chan<int>)>> receives = {by_recv, by_select, by_two,
                                                                       by_try};
    auto send = [](weft::chan<int> c) { c.send(1); };
    auto send_select = [](weft::chan<int> c) { select(on_send(c, 1)); };
    auto send_two = [](weft::chan<int> c) {
      weft::chan<int> other;
      select(on_send(c, 1), on_send(other, 1));
    };
    auto send_try = [](weft::chan<int> c) {
      while (c.try_send(1) != status::ok) weft::yield();
    };
    const std::vector<std::function<void(weft::chan<int>)>> sends = {send, send_select, send_two,
                                                                     send_try};
    for (std::size_t r = 0; r < receives.size(); ++r) {
      for (std::size_t s = 0; s < sends.size(); ++s) {
        // Two that only try never meet on an unbuffered channel.
        const std::size_t least = r == 3 && s == 3 ? 1 : 0;
        for (std::size_t capacity = least; capacity < 3; ++capacity) {
          weft::chan<int> c(capacity);
          auto receiver = weft::spawn(receives[r], c);
          weft::spawn(sends[s], c).get();
          CHECK(receiver.get() == 1);
        }
      }
    }
  });
}

TEST_CASE("sieve1", "[go-test]") {
  weft::run([] {
    weft::chan<int> numbers;
    weft::go([numbers] {
      for (int i = 2;; ++i) numbers.send(i);
    });
    std::vector<int> primes;
    weft::chan<int> in = numbers;
    for (int i = 0; i < 50; ++i) {
      const int prime = *in.recv();
      primes.push_back(prime);
      weft::chan<int> out;
      weft::go([in, out, prime] {
        for (int v : in) {
          if (v % prime != 0) out.send(v);
        }
      });
      in = out;
    }
    CHECK(primes.front() == 2);
    CHECK(primes[24] == 97);
    CHECK(primes.back() == 229);
  });
}

TEST_CASE("zerosize", "[go-test]") {
  weft::chan<weft_test::nothing> c(10);
  for (int i = 0; i < 10; ++i) c.send(weft_test::nothing());
  CHECK(c.size() == 10);
  CHECK(c.try_send(weft_test::nothing()) == chan_status::full);
  for (int i = 0; i < 10; ++i) CHECK(c.recv().has_value());
  CHECK(c.size() == 0);
}
