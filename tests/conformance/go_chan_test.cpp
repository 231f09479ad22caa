// What Go's runtime/chan_test.go tests, under its names. The code is ours.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <optional>

using namespace std::chrono_literals;
using weft::chan_status;
using weft::on_default;
using weft::on_recv;
using weft::on_send;
using weft::select;

TEST_CASE("TestChan", "[go-test]") {
  const int rounds = weft_test::scaled(200);
  weft_test::notes notes;
  weft::run([&] {
    for (std::size_t capacity = 0; capacity < std::size_t(rounds); capacity += 7) {
      {
        // A receive from an empty channel and a send to a full one wait.
        weft::chan<int> c(capacity);
        std::atomic<int> received = 0;
        auto first = weft::spawn([&] {
          c.recv();
          ++received;
        });
        auto second = weft::spawn([&] {
          std::optional<int> v;
          select(on_recv(c, v));
          ++received;
        });
        weft_test::until_parked(2);
        CHECK(received == 0);
        std::optional<int> out;
        CHECK(select(on_recv(c, out), on_default([] {})) == 1);
        c.send(0);
        c.send(0);
        first.get();
        second.get();
      }
      {
        weft::chan<int> c(capacity);
        for (std::size_t i = 0; i < capacity; ++i) c.send(int(i));
        std::atomic<bool> sent = false;
        auto sender = weft::spawn([&] {
          c.send(-1);
          sent = true;
        });
        weft_test::until_parked(1);
        CHECK_FALSE(sent);
        CHECK(select(on_send(c, 0), on_default([] {})) == 1);
        c.recv();
        sender.get();
      }
      {
        // A closed channel gives its values and then nothing, for good.
        weft::chan<int> c(capacity);
        for (std::size_t i = 0; i < capacity; ++i) c.send(int(i));
        c.close();
        for (std::size_t i = 0; i < capacity; ++i) CHECK(c.recv() == int(i));
        CHECK_FALSE(c.recv().has_value());
        CHECK_FALSE(c.recv().has_value());
      }
      {
        // A close wakes a receiver.
        weft::chan<int> c(capacity);
        auto receiver = weft::spawn([c] { return c.recv().has_value(); });
        weft_test::until_parked(1);
        c.close();
        CHECK_FALSE(receiver.get());
      }
      {
        // Values from one goroutine come in order.
        weft::chan<int> c(capacity);
        weft::go([c] {
          for (int i = 0; i < 100; ++i) c.send(i);
        });
        for (int i = 0; i < 100; ++i) notes.expect(c.recv() == i, "out of order");
      }
      {
        // Of many senders' values each receiver gets its number, and each value comes once.
        const int senders = 4;
        const int each = 25;
        weft::chan<int> c(capacity);
        for (int p = 0; p < senders; ++p) {
          weft::go([c] {
            for (int i = 0; i < each; ++i) c.send(i);
          });
        }
        weft::chan<std::array<int, each>> done;
        for (int p = 0; p < senders; ++p) {
          weft::go([c, done] {
            std::array<int, each> seen{};
            for (int i = 0; i < each; ++i) ++seen[*c.recv()];
            done.send(seen);
          });
        }
        std::array<int, each> total{};
        for (int p = 0; p < senders; ++p) {
          auto seen = *done.recv();
          for (int i = 0; i < each; ++i) total[i] += seen[i];
        }
        for (int t : total) notes.expect(t == senders, "a value not as often as sent");
      }
    }
    weft::chan<int> c(5);
    CHECK(c.size() == 0);
    CHECK(c.capacity() == 5);
    c.send(1);
    CHECK(c.size() == 1);
  });
  CHECK(notes.text() == "");
}

TEST_CASE("TestNonblockRecvRace", "[go-test]") {
  // A receive that does not wait never finds a channel empty that holds a value or is closed.
  const int rounds = weft_test::scaled(5000);
  int missed = weft::run([rounds] {
    int missed = 0;
    for (int i = 0; i < rounds; ++i) {
      weft::chan<int> c(1);
      c.send(1);
      auto taker = weft::spawn([c] {
        std::optional<int> out;
        return c.try_recv(out) == chan_status::empty;
      });
      c.close();
      c.recv();
      missed += taker.get();
    }
    return missed;
  });
  CHECK(missed == 0);
}

TEST_CASE("TestNonblockSelectRace", "[go-test]") {
  // Two channels, one of which always holds a value: default must not be taken.
  const int rounds = weft_test::scaled(20000);
  int missed = weft::run([rounds] {
    int missed = 0;
    for (int i = 0; i < rounds; ++i) {
      weft::chan<int> a(1);
      weft::chan<int> b(1);
      a.send(1);
      auto taker = weft::spawn(
          [a, b] { return select(on_recv(a), on_recv(b), on_default([] {})) == 2; });
      b.send(1);
      select(on_recv(a), on_default([] {}));
      missed += taker.get();
    }
    return missed;
  });
  CHECK(missed == 0);
}

TEST_CASE("TestNonblockSelectRace2", "[go-test]") {
  // The same with a close instead of the second value.
  const int rounds = weft_test::scaled(20000);
  int missed = weft::run([rounds] {
    int missed = 0;
    for (int i = 0; i < rounds; ++i) {
      weft::chan<int> a(1);
      weft::chan<int> b;
      a.send(1);
      auto taker = weft::spawn(
          [a, b] { return select(on_recv(a), on_recv(b), on_default([] {})) == 2; });
      b.close();
      select(on_recv(a), on_default([] {}));
      missed += taker.get();
    }
    return missed;
  });
  CHECK(missed == 0);
}

TEST_CASE("TestSelfSelect", "[go-test]") {
  // Two goroutines send and receive on one channel in one select; nobody gets its own value.
  const int rounds = weft_test::scaled(1000);
  weft_test::notes notes;
  weft::run([&] {
    for (std::size_t capacity : {0u, 10u}) {
      weft::wait_group group;
      weft::chan<int> c(capacity);
      for (int p = 0; p < 2; ++p) {
        group.go([&, p, capacity] {
          for (int i = 0; i < rounds; ++i) {
            auto received = [&, p, capacity](std::optional<int> v) {
              notes.expect(capacity > 0 || v != p, "got its own value");
            };
            if (p == 0 || i % 2 == 0) {
              select(on_send(c, p), on_recv(c, received));
            } else {
              select(on_recv(c, received), on_send(c, p));
            }
          }
        });
      }
      group.wait();
    }
  });
  CHECK(notes.text() == "");
}

TEST_CASE("TestSelectDuplicateChannel", "[go-test]") {
  // A select that stands in one channel's queue more than once leaves no trace behind when
  // another of its channels wakes it.
  weft::run([] {
    weft::chan<int> c;
    weft::chan<int> d;
    weft::chan<int> e;
    auto a = weft::spawn([&] { return select(on_recv(c), on_recv(c), on_recv(d)); });
    weft_test::until_parked(1);
    auto b = weft::spawn([&] { return c.recv(); });
    weft_test::until_parked(2);
    d.send(7);
    CHECK(a.get() == 2);
    c.send(8);
    CHECK(b.get() == 8);
    CHECK(c.try_send(9) == chan_status::full);
    CHECK(e.try_send(9) == chan_status::full);
  });
}

TEST_CASE("TestSelectFairness", "[go-test]") {
  // A channel that is always ready must not keep out another that is, too.
  const int trials = weft_test::scaled(10000);
  weft::run([trials] {
    weft::chan<char> c1(std::size_t(trials) + 1);
    weft::chan<char> c2(std::size_t(trials) + 1);
    for (int i = 0; i < trials + 1; ++i) {
      c1.send(1);
      c2.send(2);
    }
    weft::chan<char> c3;
    weft::chan<char> c4;
    weft::chan<char> out;
    weft::chan<char> done;
    weft::wait_group group;
    group.go([=] {
      for (;;) {
        std::optional<char> b;
        select(on_recv(c3, b), on_recv(c4, b), on_recv(c1, b), on_recv(c2, b));
        if (select(on_send(out, *b), on_recv(done)) == 1) return;
      }
    });
    int first = 0;
    int second = 0;
    for (int i = 0; i < trials; ++i) {
      switch (*out.recv()) {
        case 1: ++first; break;
        case 2: ++second; break;
      }
    }
    // Go's own bound, ten standard deviations.
    const double ratio = double(first) / (first + second);
    if (trials >= 1000) CHECK(std::abs(ratio - 0.5) <= 0.05);
    CHECK(first > 0);
    CHECK(second > 0);
    done.close();
    group.wait();
  });
}
