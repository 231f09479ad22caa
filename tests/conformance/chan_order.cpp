// FIFO of values and of those who wait; time-outs; the last handle.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::chan_status;
using weft_test::until_parked;

TEST_CASE("waiting receivers are served in their order", "[chan][fifo]") {
  weft::run([] {
    for (std::size_t capacity : {0u, 4u}) {
      weft::chan<int> c(capacity);
      const int count = weft_test::scaled(50);
      std::vector<weft::join_handle<int>> receivers;
      for (int i = 0; i < count; ++i) {
        receivers.push_back(weft::spawn([c, i] {
          std::optional<int> v;
          if (i % 3 == 0) v = c.recv();
          if (i % 3 == 1) c.recv_for(v, 1h);
          if (i % 3 == 2) weft::select(weft::on_recv(c, v), weft::on_timeout(1h));
          return v.value_or(-1);
        }));
        until_parked(i + 1);
      }
      // One at a time: with capacity, a send may also fill the buffer ahead of a slow receiver.
      for (int i = 0; i < count; ++i) {
        c.send(i);
        REQUIRE(receivers[i].get() == i);
      }
    }
  });
}

TEST_CASE("waiting senders are served in their order", "[chan][fifo]") {
  weft::run([] {
    for (std::size_t capacity : {0u, 1u, 4u}) {
      weft::chan<int> c(capacity);
      const int count = weft_test::scaled(50);
      for (int i = 0; i < int(capacity); ++i) c.send(i);
      std::vector<weft::join_handle<void>> senders;
      for (int i = 0; i < count; ++i) {
        const int value = int(capacity) + i;
        senders.push_back(weft::spawn([c, i, value] {
          if (i % 3 == 0) c.send(value);
          if (i % 3 == 1) c.send_for(value, 1h);
          if (i % 3 == 2) weft::select(weft::on_send(c, value));
        }));
        until_parked(i + 1);
      }
      for (int i = 0; i < int(capacity) + count; ++i) REQUIRE(c.recv() == i);
      for (auto& s : senders) s.get();
    }
  });
}

TEST_CASE("one who gave up loses its place, the others keep theirs", "[chan][fifo]") {
  weft::run([] {
    weft::chan<int> c;
    auto first = weft::spawn([c] { return c.recv(); });
    until_parked(1);
    auto gives_up = weft::spawn([c] {
      std::optional<int> out;
      return c.recv_for(out, 1ms);
    });
    CHECK(gives_up.get() == chan_status::timeout);
    auto second = weft::spawn([c] { return c.recv(); });
    until_parked(2);
    c.send(1);
    c.send(2);
    CHECK(first.get() == 1);
    CHECK(second.get() == 2);
  });
}

TEST_CASE("values of one sender arrive in their order", "[chan][fifo]") {
  weft::run([] {
    const int count = weft_test::scaled(5000);
    for (std::size_t capacity : {0u, 1u, 2u, 10u}) {
      weft::chan<std::pair<int, int>> c(capacity);
      weft::wait_group senders;
      for (int s = 0; s < 4; ++s) {
        senders.go([c, s, count] {
          for (int i = 0; i < count; ++i) c.send({s, i});
        });
      }
      std::vector<int> next(4, 0);
      bool in_order = true;
      for (int i = 0; i < 4 * count; ++i) {
        auto [s, n] = *c.recv();
        in_order = in_order && next[s] == n;
        next[s] = n + 1;
      }
      senders.wait();
      CHECK(in_order);
    }
  });
}

TEST_CASE("time-outs are never early and lose nothing", "[chan][timeout]") {
  auto check = [] {
    weft::chan<int> c(1);
    std::optional<int> out = 7;
    for (auto limit : {0ms, 1ms, 7ms}) {
      auto start = weft::clock::now();
      CHECK(c.recv_for(out, limit) == chan_status::timeout);
      CHECK(weft::clock::now() - start >= limit);
      CHECK_FALSE(out.has_value());
      start = weft::clock::now();
      CHECK(c.recv_until(out, start + limit) == chan_status::timeout);
      CHECK(weft::clock::now() - start >= limit);
    }
    c.send(1);
    for (auto limit : {0ms, 1ms, 7ms}) {
      auto start = weft::clock::now();
      CHECK(c.send_for(2, limit) == chan_status::timeout);
      CHECK(weft::clock::now() - start >= limit);
      start = weft::clock::now();
      CHECK(c.send_until(2, start + limit) == chan_status::timeout);
      CHECK(weft::clock::now() - start >= limit);
    }
    CHECK(c.size() == 1);
    // A limit that has passed still takes what is there.
    CHECK(c.recv_until(out, weft::clock::now() - 1s) == chan_status::ok);
    CHECK(out == 1);
    CHECK(c.send_for(3, -5ms) == chan_status::ok);
    CHECK(c.recv_for(out, 0ms) == chan_status::ok);
    CHECK(out == 3);
    // Other units of time, and limits beyond what the clock can count.
    CHECK(c.recv_for(out, std::chrono::duration<double, std::milli>(0.5)) == chan_status::timeout);
    c.send(4);
    CHECK(c.recv_for(out, std::chrono::hours::max()) == chan_status::ok);
    CHECK(c.send_for(5, std::chrono::nanoseconds::max()) == chan_status::ok);
    CHECK(c.recv_until(out, weft::clock::time_point::max()) == chan_status::ok);
  };
  check();
  weft::run(check);
}

TEST_CASE("a partner that comes in time completes send_for and recv_for", "[chan][timeout]") {
  weft::run([] {
    weft::chan<int> c;
    auto sender = weft::spawn([c] { return c.send_for(5, 1h); });
    until_parked(1);
    CHECK(c.recv() == 5);
    CHECK(sender.get() == chan_status::ok);
    auto receiver = weft::spawn([c] {
      std::optional<int> out;
      auto status = c.recv_until(out, weft::clock::now() + 1h);
      return status == chan_status::ok ? out.value_or(-1) : -2;
    });
    until_parked(1);
    c.send(6);
    CHECK(receiver.get() == 6);
    auto far = weft::spawn([c] {
      std::optional<int> out;
      c.recv_for(out, std::chrono::hours::max());
      return out.value_or(-1);
    });
    until_parked(1);
    c.send(7);
    CHECK(far.get() == 7);
  });
}

TEST_CASE("a channel whose last handle goes leaves its waiters waiting", "[chan][handles]") {
  weft::run([] {
    auto c = std::make_unique<weft::chan<int>>();
    auto full = std::make_unique<weft::chan<int>>(1);
    full->send(1);
    weft::chan<int> other;
    auto receiver = weft::spawn([p = c.get()] {
      std::optional<int> out;
      return p->recv_for(out, 30ms);
    });
    auto sender = weft::spawn([p = full.get()] { return p->send_for(2, 30ms); });
    auto chooser = weft::spawn([p = c.get(), q = full.get(), other] {
      std::optional<int> out;
      auto chosen =
          weft::select(weft::on_recv(*p), weft::on_send(*q, 3), weft::on_recv(other, out));
      return chosen == 2 && out == 4;
    });
    // On a machine that is very busy their time may be over before.
    while (weft::stats().parked < 3 && !receiver.done() && !sender.done()) weft::yield();
    until_parked(1);
    c.reset();
    full.reset();
    CHECK(receiver.get() == chan_status::timeout);
    CHECK(sender.get() == chan_status::timeout);
    other.send(4);
    CHECK(chooser.get());
  });
}

TEST_CASE("such waiters end with their run, threads at their time-out", "[chan][handles]") {
  std::atomic<int> exits = 0;
  weft::run([&] {
    auto c = std::make_unique<weft::chan<int>>();
    for (int i = 0; i < 3; ++i) {
      weft::go([&, p = c.get()] {
        try {
          p->recv();
        } catch (const weft::goroutine_exit&) {
          ++exits;
        }
      });
    }
    until_parked(3);
    c.reset();
  });
  CHECK(exits == 3);
  // Whether the thread already waits when the handle goes, cannot be seen: it holds one of its own.
  chan_status status = chan_status::ok;
  {
    weft::chan<int> c;
    std::thread thread([&status, c] {
      std::optional<int> out;
      status = c.recv_for(out, 5ms);
    });
    c = nullptr;
    thread.join();
  }
  CHECK(status == chan_status::timeout);
}

TEST_CASE("handles come and go while others send", "[chan][handles]") {
  weft::run([] {
    const int count = weft_test::scaled(2000);
    auto token = std::make_shared<int>(0);
    weft::wait_group group;
    for (int i = 0; i < count; ++i) {
      weft::chan<std::shared_ptr<int>> c(i % 2);
      group.go([c, token] { c.send_for(token, 1ms); });
      group.go([c] {
        std::optional<std::shared_ptr<int>> out;
        c.recv_for(out, 1ms);
      });
    }
    group.wait();
    while (weft::num_goroutines() > 1) weft::yield();
    CHECK(token.use_count() == 1);
  });
}
