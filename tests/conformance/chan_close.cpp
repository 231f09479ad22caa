// close and nil channels.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::chan_status;
using weft_test::until_parked;

TEST_CASE("values sent before the close are received", "[chan][close]") {
  weft::chan<int> c(4);
  for (int i = 0; i < 3; ++i) c.send(i);
  CHECK_FALSE(c.closed());
  c.close();
  CHECK(c.closed());
  CHECK(c.size() == 3);
  CHECK(c.recv() == 0);
  std::optional<int> out;
  CHECK(c.try_recv(out) == chan_status::ok);
  CHECK(out == 1);
  CHECK(c.recv_for(out, 1ms) == chan_status::ok);
  CHECK(out == 2);
  CHECK_FALSE(c.recv().has_value());
  CHECK(c.try_recv(out) == chan_status::closed);
  CHECK_FALSE(out.has_value());
  out = 5;
  CHECK(c.recv_for(out, 1ms) == chan_status::closed);
  CHECK_FALSE(out.has_value());
  out = 5;
  CHECK(c.recv_until(out, weft::clock::now()) == chan_status::closed);
  CHECK_FALSE(out.has_value());
  CHECK(c.closed());
}

TEST_CASE("a closed channel refuses", "[chan][close]") {
  for (std::size_t capacity : {0u, 2u}) {
    weft::chan<int> c(capacity);
    c.close();
    CHECK_THROWS_AS(c.send(1), weft::closed_channel);
    CHECK(c.try_send(1) == chan_status::closed);
    CHECK(c.send_for(1, 1h) == chan_status::closed);
    CHECK(c.send_until(1, weft::clock::now()) == chan_status::closed);
    CHECK_THROWS_AS(c.close(), weft::closed_channel);
    CHECK_THROWS_AS(c.close(), std::logic_error);
    CHECK(c.closed());
  }
}

TEST_CASE("a close wakes every receiver", "[chan][close]") {
  weft::run([] {
    const int count = weft_test::scaled(200);
    for (std::size_t capacity : {0u, 3u}) {
      weft::chan<int> c(capacity);
      std::vector<weft::join_handle<bool>> waiting;
      for (int i = 0; i < count; ++i) {
        waiting.push_back(weft::spawn([c, i] {
          std::optional<int> out = 1;
          if (i % 4 == 0) return !c.recv().has_value();
          if (i % 4 == 1) return c.recv_for(out, 1h) == chan_status::closed && !out;
          if (i % 4 == 2) return weft::select(weft::on_recv(c, out)) == 0 && !out;
          weft::chan<int> other;
          return weft::select(weft::on_recv(other), weft::on_recv(c, out)) == 1 && !out;
        }));
      }
      until_parked(count);
      c.close();
      int good = 0;
      for (auto& w : waiting) good += w.get();
      CHECK(good == count);
    }
  });
}

TEST_CASE("a close makes every waiting sender throw", "[chan][close]") {
  weft::run([] {
    const int count = weft_test::scaled(200);
    for (std::size_t capacity : {0u, 2u}) {
      weft::chan<int> c(capacity);
      for (std::size_t i = 0; i < capacity; ++i) c.send(-1);
      std::vector<weft::join_handle<bool>> waiting;
      for (int i = 0; i < count; ++i) {
        waiting.push_back(weft::spawn([c, i] {
          try {
            if (i % 3 == 0) c.send(i);
            if (i % 3 == 1) weft::select(weft::on_send(c, i));
            if (i % 3 == 2) return c.send_for(i, 1h) == chan_status::closed;
          } catch (const weft::closed_channel&) {
            return true;
          }
          return false;
        }));
      }
      until_parked(count);
      c.close();
      int good = 0;
      for (auto& w : waiting) good += w.get();
      CHECK(good == count);
      // What was sent before stays, what waited was not sent.
      for (std::size_t i = 0; i < capacity; ++i) CHECK(c.recv() == -1);
      CHECK_FALSE(c.recv().has_value());
    }
  });
}

TEST_CASE("a sender that a close turned away still has its value", "[chan][close]") {
  weft::run([] {
    weft::chan<std::unique_ptr<int>> c;
    auto sender = weft::spawn([c] {
      auto p = std::make_unique<int>(3);
      try {
        c.send(std::move(p));
      } catch (const weft::closed_channel&) {
        return p != nullptr && *p == 3;
      }
      return false;
    });
    until_parked(1);
    c.close();
    CHECK(sender.get());
  });
}

TEST_CASE("of two closes one throws", "[chan][close]") {
  weft::run([] {
    const int rounds = weft_test::scaled(500);
    for (int i = 0; i < rounds; ++i) {
      weft::chan<int> c;
      auto close = [c] {
        try {
          c.close();
          return 1;
        } catch (const weft::closed_channel&) {
          return 0;
        }
      };
      auto a = weft::spawn(close);
      auto b = weft::spawn(close);
      int closed = a.get() + b.get();
      REQUIRE(closed == 1);
    }
  });
}

TEST_CASE("a close wakes threads", "[chan][close]") {
  weft::chan<int> c;
  std::atomic<int> ended = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&, c] {
      if (!c.recv()) ++ended;
    });
  }
  weft::run([c] { c.close(); });
  for (auto& t : threads) t.join();
  CHECK(ended == 3);
}

TEST_CASE("the nil channel", "[chan][nil]") {
  weft::chan<int> nil(nullptr);
  weft::chan<int> also = nullptr;
  CHECK_FALSE(static_cast<bool>(nil));
  CHECK((nil == also));
  CHECK((nil != weft::chan<int>()));
  CHECK(nil.size() == 0);
  CHECK(nil.capacity() == 0);
  CHECK_FALSE(nil.closed());
  CHECK(nil.try_send(1) == chan_status::full);
  std::optional<int> out = 1;
  CHECK(nil.try_recv(out) == chan_status::empty);
  CHECK_FALSE(out.has_value());
  CHECK(nil.send_for(1, 1ms) == chan_status::timeout);
  CHECK(nil.recv_for(out, 1ms) == chan_status::timeout);
  CHECK(nil.send_until(1, weft::clock::now()) == chan_status::timeout);
  CHECK(nil.recv_until(out, weft::clock::now()) == chan_status::timeout);
  CHECK_THROWS_AS(nil.close(), weft::nil_channel);
  nil = weft::chan<int>(1);
  nil.send(4);
  CHECK(nil.recv() == 4);
  nil = nullptr;
  CHECK_FALSE(static_cast<bool>(nil));
  weft::chan<void> signal = nullptr;
  CHECK(signal.try_send() == chan_status::full);
  CHECK(signal.try_recv() == chan_status::empty);
  CHECK_THROWS_AS(signal.close(), weft::nil_channel);
}

TEST_CASE("a nil channel is no number", "[chan][nil]") {
  // chan(0) is a channel of capacity 0; only nullptr itself makes nil.
  weft::chan<int> zero(0);
  CHECK(static_cast<bool>(zero));
  static_assert(std::is_constructible_v<weft::chan<int>, std::nullptr_t>);
  static_assert(!std::is_convertible_v<int, weft::chan<int>>);
}

TEST_CASE("whoever waits on nil waits until the end", "[chan][nil]") {
  std::atomic<int> returned = 0;
  weft::run([&] {
    weft::go([&] {
      weft::chan<int>(nullptr).recv();
      ++returned;
    });
    weft::go([&] {
      weft::chan<int>(nullptr).send(1);
      ++returned;
    });
    until_parked(2);
    for (int i = 0; i < 100; ++i) weft::yield();
    until_parked(2);
  });
  CHECK(returned == 0);
}
