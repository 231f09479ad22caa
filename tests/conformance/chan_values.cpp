// chan: awkward value types, and values whose copy or move throws.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"
#include "values.hpp"

#include <weft/weft.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::chan_status;
using weft_test::fused;
using weft_test::until_parked;
using weft_test::value_error;

namespace {

// Sends make(i) for i below count through channels of several capacities and checks what arrives.
template <class T, class Make, class Check>
void passes(int count, Make make, Check check) {
  weft::run({.stack_size = 1 << 20}, [&] {
    for (std::size_t capacity : {0u, 1u, 3u}) {
      weft::chan<T> c(capacity);
      auto sender = weft::spawn([c, make, count] {
        for (int i = 0; i < count; ++i) c.send(make(i));
        c.close();
      });
      int received = 0;
      bool good = true;
      while (auto v = c.recv()) good = check(*v, received++) && good;
      sender.get();
      CHECK(good);
      CHECK(received == count);
    }
  });
}

}  // namespace

TEST_CASE("a type without a default constructor", "[chan][types]") {
  passes<weft_test::no_default>(
      100, [](int i) { return weft_test::no_default(i); },
      [](auto& v, int i) { return v.value == i; });
}

TEST_CASE("a move-only type", "[chan][types]") {
  passes<weft_test::move_only>(
      100, [](int i) { return weft_test::move_only(i); },
      [](auto& v, int i) { return v.value() == i; });
}

TEST_CASE("an over-aligned type", "[chan][types]") {
  passes<weft_test::over_aligned>(
      100, [](int i) { return weft_test::over_aligned{i}; },
      [](auto& v, int i) { return v.value == i && v.in_place(); });
}

TEST_CASE("an empty type", "[chan][types]") {
  passes<weft_test::nothing>(
      100, [](int) { return weft_test::nothing(); }, [](auto&, int) { return true; });
}

TEST_CASE("a type of 64 KiB", "[chan][types]") {
  passes<weft_test::large>(
      10, [](int i) { return weft_test::large(i); },
      [](auto& v, int i) { return v.whole(i); });
}

TEST_CASE("a buffer of 64 KiB values, from a plain thread", "[chan][types]") {
  weft::chan<weft_test::large> c(4);
  for (unsigned i = 0; i < 4; ++i) c.send(weft_test::large(i));
  for (unsigned i = 0; i < 4; ++i) CHECK(c.recv()->whole(i));
}

TEST_CASE("a value is moved at most once each way and never copied", "[chan][types]") {
  using weft_test::counted;
  const int before = counted::alive;
  weft::run([] {
    for (std::size_t capacity : {0u, 2u}) {
      weft::chan<counted> c(capacity);
      counted::reset();
      auto sender = weft::spawn([c] { c.send(counted(4)); });
      auto v = c.recv();
      sender.get();
      CHECK(v->value == 4);
      CHECK(counted::copies == 0);
      CHECK(counted::moves <= 2);
      counted kept(5);
      auto receiver = weft::spawn([c] { return c.recv()->value; });
      c.send(kept);
      CHECK(receiver.get() == 5);
      CHECK(kept.value == 5);
      CHECK(counted::copies == 1);
    }
  });
  CHECK(counted::alive == before);
}

TEST_CASE("a throwing copy into a buffer leaves the value with its sender", "[chan][throws]") {
  const int before = fused::alive;
  {
    weft::chan<fused> c(2);
    fused bad(1, 0);
    CHECK_THROWS_AS(c.send(bad), value_error);
    CHECK(c.size() == 0);
    bad.arm(0);
    CHECK_THROWS_AS(c.try_send(std::move(bad)), value_error);
    bad.arm(0);
    CHECK_THROWS_AS(c.send_for(bad, 1s), value_error);
    CHECK(c.size() == 0);
    CHECK(bad.value() == 1);
    c.send(fused(2));
    c.send(fused(3));
    CHECK(c.try_send(fused(4)) == chan_status::full);
    CHECK(c.recv()->value() == 2);
    CHECK(c.recv()->value() == 3);
    CHECK(c.size() == 0);
  }
  CHECK(fused::alive == before);
}

TEST_CASE("a move that throws out of a buffer leaves the receive", "[chan][throws]") {
  const int before = fused::alive;
  {
    weft::chan<fused> c(3);
    fused bad(1);
    c.send(bad);
    c.send(fused(2));
    c.send(fused(3));
    bad.arm(0);
    CHECK_THROWS_AS(c.recv(), value_error);
    CHECK(c.size() <= 3);
    // The value was dropped; the channel goes on with the next.
    CHECK(c.recv()->value() == 2);
    c.send(fused(4));
    c.send(fused(5));
    CHECK(c.recv()->value() == 3);
    CHECK(c.recv()->value() == 4);
    CHECK(c.recv()->value() == 5);
    CHECK(c.size() == 0);
  }
  CHECK(fused::alive == before);
}

TEST_CASE("a receive that throws still makes room for a sender that waits", "[chan][throws]") {
  const int before = fused::alive;
  weft::run([] {
    weft::chan<fused> c(1);
    fused bad(1);
    c.send(bad);
    auto sender = weft::spawn([c] { c.send(fused(2)); });
    until_parked(1);
    bad.arm(0);
    CHECK_THROWS_AS(c.recv(), value_error);
    sender.get();
    CHECK(c.recv()->value() == 2);
  });
  CHECK(fused::alive == before);
}

TEST_CASE("a throwing value and a receiver that waits", "[chan][throws]") {
  const int before = fused::alive;
  for (std::size_t capacity : {0u, 1u}) {
    weft::run([capacity] {
      weft::chan<fused> c(capacity);
      auto receiver = weft::spawn([c] {
        int errors = 0;
        std::vector<int> seen;
        while (seen.empty() || seen.back() != 2) {
          try {
            seen.push_back(c.recv()->value());
          } catch (const value_error&) {
            ++errors;
          }
        }
        return std::make_pair(seen, errors);
      });
      until_parked(1);
      int errors = 0;
      fused bad(1, 0);
      try {
        c.send(bad);
      } catch (const value_error&) {
        ++errors;
      }
      c.send(fused(2));
      auto [seen, receiver_errors] = receiver.get();
      CHECK(errors + receiver_errors == 1);
      CHECK(seen.size() <= 2);
      CHECK(seen.back() == 2);
    });
  }
  CHECK(fused::alive == before);
}

TEST_CASE("a throwing value and a sender that waits", "[chan][throws]") {
  const int before = fused::alive;
  // The exception strikes at the first, second or third copy or move on the way.
  for (int fuse = 0; fuse < 4; ++fuse) {
    for (std::size_t capacity : {0u, 1u}) {
      weft::run([capacity, fuse] {
        weft::chan<fused> c(capacity);
        if (capacity == 1) c.send(fused(0));
        auto sender = weft::spawn([c, fuse] {
          int errors = 0;
          fused bad(1, fuse);
          try {
            c.send(bad);
          } catch (const value_error&) {
            ++errors;
          }
          c.send(fused(2));
          return errors;
        });
        until_parked(1);
        int errors = 0;
        std::vector<int> seen;
        while (seen.empty() || seen.back() != 2) {
          try {
            seen.push_back(c.recv()->value());
          } catch (const value_error&) {
            ++errors;
          }
        }
        errors += sender.get();
        CHECK(errors <= 1);
        // A waiting sender whose value does not move up into the buffer may try once more itself.
        if (fuse == 0 && capacity == 0) CHECK(errors == 1);
        const long ones = std::count(seen.begin(), seen.end(), 1);
        // Never there twice; there once if nothing threw.
        CHECK(ones <= 1);
        if (errors == 0) CHECK(ones == 1);
        CHECK(c.size() == 0);
      });
    }
  }
  CHECK(fused::alive == before);
}

TEST_CASE("a sender that waits with a value that always throws gets the exception",
          "[chan][throws]") {
  const int before = fused::alive;
  weft::run([] {
    weft::chan<fused> c(1);
    c.send(fused(0));
    auto sender = weft::spawn([c] {
      fused bad(1, fused::always);
      try {
        c.send(bad);
      } catch (const value_error&) {
        return true;
      }
      return false;
    });
    until_parked(1);
    CHECK(c.recv()->value() == 0);
    CHECK(sender.get());
    CHECK(c.size() == 0);
    c.send(fused(2));
    CHECK(c.recv()->value() == 2);
  });
  CHECK(fused::alive == before);
}

TEST_CASE("throwing values between many leave the channel usable", "[chan][throws]") {
  const int before = fused::alive;
  const int count = weft_test::scaled(500);
  for (std::size_t capacity : {0u, 3u}) {
    weft::run([capacity, count] {
      weft::chan<fused> c(capacity);
      std::atomic<int> sender_errors = 0;
      std::atomic<int> receiver_errors = 0;
      std::atomic<int> received = 0;
      weft::wait_group senders;
      weft::wait_group receivers;
      for (int s = 0; s < 3; ++s) {
        senders.go([&] {
          for (int i = 0; i < count; ++i) {
            try {
              c.send(fused(i, i % 4 == 0 ? 0 : -1));
            } catch (const value_error&) {
              ++sender_errors;
            }
          }
        });
      }
      for (int r = 0; r < 2; ++r) {
        receivers.go([&] {
          for (;;) {
            try {
              if (!c.recv()) return;
              ++received;
            } catch (const value_error&) {
              ++receiver_errors;
            }
          }
        });
      }
      senders.wait();
      c.close();
      receivers.wait();
      const int throwing = 3 * ((count + 3) / 4);
      const int errors = sender_errors + receiver_errors;
      CHECK(errors <= throwing);
      if (capacity == 0) CHECK(errors == throwing);
      // What left a send was not sent; what left a receive was dropped or sent again.
      CHECK(received <= 3 * count - sender_errors);
      CHECK(received >= 3 * count - errors);
    });
  }
  CHECK(fused::alive == before);
}
