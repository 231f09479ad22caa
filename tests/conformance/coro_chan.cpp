// Channels in coroutines, with goroutines and threads on the same ones.
#include "collect.hpp"
#include "coroutines.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"
#include "values.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <numeric>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::chan;
using weft::chan_status;
using weft::coro;
using weft_test::eager;
using weft_test::fused;
using weft_test::until_parked;

namespace {

coro<> send_all(weft::send_chan<int> c, int from, int to) {
  for (int i = from; i < to; ++i) co_await c.async_send(i);
}
coro<long> receive_all(weft::recv_chan<int> c) {
  long sum = 0;
  while (std::optional<int> v = co_await c.async_recv()) sum += *v;
  co_return sum;
}

}  // namespace

TEST_CASE("coroutines send to each other in order", "[coro][chan]") {
  weft::run([] {
    for (std::size_t capacity : {0u, 1u, 5u}) {
      chan<int> c(capacity);
      const int n = static_cast<int>(weft_test::scaled(2000));
      auto receiver = weft::spawn([c]() -> coro<bool> {
        bool in_order = true;
        for (int i = 0; i < n; ++i) in_order &= co_await c.async_recv() == i;
        co_return in_order && !(co_await c.async_recv()).has_value();
      });
      weft::spawn(send_all(c, 0, n)).get();
      c.close();
      CHECK(receiver.get());
    }
  });
}

TEST_CASE("one channel serves goroutines, threads and coroutines at once", "[coro][chan]") {
  const int each = static_cast<int>(weft_test::scaled(3000));
  for (std::size_t capacity : {0u, 1u, 7u}) {
    weft::run([&] {
      chan<int> c(capacity);
      weft::wait_group sending;
      std::thread thread([c] {
        for (int i = 0; i < each; ++i) c.send(i);
      });
      sending.go([c] {
        for (int i = each; i < 2 * each; ++i) c.send(i);
      });
      sending.go(send_all(c, 2 * each, 3 * each));
      auto coroutine = weft::spawn(receive_all(c));
      auto goroutine = weft::spawn([c] {
        long sum = 0;
        for (int v : c) sum += v;
        return sum;
      });
      long of_thread = 0;
      std::thread receiving([c, &of_thread] {
        for (int v : c) of_thread += v;
      });
      sending.wait();
      thread.join();
      c.close();
      const long total = coroutine.get() + goroutine.get();
      receiving.join();
      const long n = 3l * each;
      CHECK(total + of_thread == n * (n - 1) / 2);
    });
  }
}

TEST_CASE("a channel of void in coroutines", "[coro][chan]") {
  weft::run([] {
    chan<void> c;
    auto receiver = weft::spawn([](weft::recv_chan<void> from) -> coro<int> {
      int n = 0;
      while (co_await from.async_recv()) ++n;
      co_return n;
    }(c));
    weft::spawn([](weft::send_chan<void> to) -> coro<> {
      co_await to.async_send();
      co_await to.async_send();
    }(c)).get();
    c.send();
    c.close();
    CHECK(receiver.get() == 3);
  });
}

TEST_CASE("a close wakes suspended receivers, and suspended senders throw", "[coro][chan]") {
  weft::run([] {
    for (std::size_t capacity : {0u, 2u}) {
      chan<int> empty(capacity);
      chan<int> full(capacity);
      auto receiver = weft::spawn(receive_all(empty));
      auto sender = weft::spawn([](chan<int> c) -> coro<bool> {
        try {
          for (;;) co_await c.async_send(1);
        } catch (const weft::closed_channel&) {
          co_return true;
        }
      }(full));
      until_parked(2);
      full.close();
      CHECK(sender.get());
      empty.close();
      CHECK(receiver.get() == 0);
      auto late = [](chan<int> c) -> coro<> { co_await c.async_send(1); };
      CHECK_THROWS_AS(weft::spawn(late(empty)).get(), weft::closed_channel);
    }
  });
}

TEST_CASE("waiting coroutines and goroutines are served in the order in which they came",
          "[coro][chan]") {
  weft::run({.workers = 1}, [] {
    chan<int> c;
    chan<int> log(10);
    for (int i = 0; i < 6; ++i) {
      if (i % 2 == 0) {
        weft::go([c, log, i] {
          const int v = *c.recv();
          log.send(10 * i + v);
        });
      } else {
        weft::go([](chan<int> from, chan<int> to, int n) -> coro<> {
          const int v = *co_await from.async_recv();
          co_await to.async_send(10 * n + v);
        }(c, log, i));
      }
      until_parked(static_cast<std::size_t>(i) + 1);
    }
    for (int i = 0; i < 6; ++i) c.send(i);
    int sum = 0;
    for (int i = 0; i < 6; ++i) {
      const int v = *log.recv();
      CHECK(v / 10 == v % 10);
      sum += v;
    }
    CHECK(sum == 165);
  });
}

TEST_CASE("destroying a suspended receiver withdraws its wait", "[coro][chan]") {
  weft::run([] {
    for (std::size_t capacity : {0u, 1u}) {
      chan<int> c(capacity);
      auto receive = [](chan<int> from, std::atomic<int>& got) -> eager {
        got = *co_await from.async_recv();
      };
      std::atomic<int> got = 0;
      eager first = receive(c, got);
      CHECK(weft::num_goroutines() == 2);
      first.destroy();
      CHECK(weft::num_goroutines() == 1);
      // The value stays where it is.
      CHECK(c.try_send(5) == (capacity == 0 ? chan_status::full : chan_status::ok));
      std::optional<int> v;
      CHECK(c.try_recv(v) == (capacity == 0 ? chan_status::empty : chan_status::ok));
      // One of several: the others are served.
      std::atomic<int> other = 0;
      eager second = receive(c, got);
      eager third = receive(c, other);
      second.destroy();
      c.send(6);
      while (!third.done()) weft::yield();
      CHECK(other == 6);
      CHECK(got == 0);
    }
  });
}

TEST_CASE("destroying a suspended sender withdraws its value", "[coro][chan]") {
  weft_test::counted::reset();
  const int before = weft_test::counted::alive;
  weft::run([&] {
    chan<weft_test::counted> c;
    auto send = [](chan<weft_test::counted> to, int v) -> eager {
      co_await to.async_send(weft_test::counted(v));
    };
    {
      eager first = send(c, 1);
      eager second = send(c, 2);
      const int suspended = weft_test::counted::alive - before;
      CHECK(suspended >= 2);
      first.destroy();
      CHECK(weft_test::counted::alive - before == suspended / 2);
      CHECK(c.recv()->value == 2);
      while (!second.done()) weft::yield();
    }
    std::optional<weft_test::counted> v;
    CHECK(c.try_recv(v) == chan_status::empty);
  });
  CHECK(weft_test::counted::alive == before);
}

TEST_CASE("a coroutine that awaits another is destroyed with it", "[coro][chan]") {
  weft::run([] {
    chan<int> c;
    int destroyed = 0;
    auto inner = [&]() -> coro<int> {
      weft_test::at_end note([&] { ++destroyed; });
      co_return *co_await c.async_recv();
    };
    auto outer = [&]() -> eager {
      weft_test::at_end note([&] { ++destroyed; });
      co_await inner();
    };
    {
      eager e = outer();
      CHECK(destroyed == 0);
    }
    CHECK(destroyed == 2);
    CHECK(c.try_send(1) == chan_status::full);
  });
}

TEST_CASE("a channel whose last handle goes leaves its coroutines waiting", "[coro][chan]") {
  weft::run([] {
    std::optional<chan<int>> c(std::in_place);
    int unwound = 0;
    auto wait = [&]() -> eager {
      weft_test::at_end note([&] { ++unwound; });
      co_await c->async_recv();
    };
    eager e = wait();
    c.reset();
    CHECK_FALSE(e.done());
    e.destroy();
    CHECK(unwound == 1);
  });
}

TEST_CASE("a throwing move leaves co_await, and the partner waits on", "[coro][chan]") {
  weft::run([] {
    for (std::size_t capacity : {0u, 1u}) {
      // The receiver is suspended; the sender's move throws.
      chan<fused> c(capacity);
      auto receiver = weft::spawn([](chan<fused> from) -> coro<int> {
        co_return (co_await from.async_recv())->value();
      }(c));
      until_parked(1);
      fused bad(1);
      bad.arm(0);
      CHECK_THROWS_AS(c.send(std::move(bad)), weft_test::value_error);
      until_parked(1);
      c.send(fused(2));
      CHECK(receiver.get() == 2);
      // The sender is suspended with a value that throws when it is taken: in a buffered channel
      // the sender gets it, in an unbuffered one the receiver.
      chan<fused> d(capacity);
      if (capacity == 1) d.send(fused(1));
      fused value(3);
      auto sender = weft::spawn([](chan<fused> to, fused v) -> coro<bool> {
        try {
          co_await to.async_send(std::move(v));
          co_return true;
        } catch (const weft_test::value_error&) {
          co_return false;
        }
      }(d, value));
      until_parked(1);
      value.arm(fused::always);  // its copies share the fuse
      if (capacity == 0) {
        CHECK_THROWS_AS(d.recv(), weft_test::value_error);
        value.arm(-1);
        CHECK(d.recv()->value() == 3);
        CHECK(sender.get());
      } else {
        CHECK(d.recv()->value() == 1);
        CHECK_FALSE(sender.get());
        std::optional<fused> none;
        CHECK(d.try_recv(none) == chan_status::empty);
      }
    }
  });
  CHECK(fused::alive == 0);
}

TEST_CASE("values of every kind pass through co_await", "[coro][chan]") {
  weft::run({.stack_size = 1 << 20}, [] {
    chan<weft_test::move_only> unique;
    auto h = weft::spawn([](auto c) -> coro<int> { co_return (co_await c.async_recv())->value(); }(unique));
    weft::spawn([](auto c) -> coro<> { co_await c.async_send(weft_test::move_only(4)); }(unique)).get();
    CHECK(h.get() == 4);
    chan<weft_test::large> large;
    auto l = weft::spawn([](auto c) -> coro<bool> { co_return (co_await c.async_recv())->whole(6); }(large));
    large.send(weft_test::large(6));
    CHECK(l.get());
    chan<std::string> text;
    weft::go([](auto c) -> coro<> { co_await c.async_send("converted"); }(text));
    CHECK(text.recv() == "converted");
  });
}

TEST_CASE("a coroutine that suspends on a plain thread goes on in the default runtime",
          "[coro][chan]") {
  chan<int> c;
  chan<bool> result;
  auto wait = [](chan<int> from, chan<bool> to) -> weft_test::fire_and_forget {
    const bool before = weft::this_goroutine::inside();
    const int v = *co_await from.async_recv();
    co_await to.async_send(!before && weft::this_goroutine::inside() && v == 3);
  };
  wait(c, result);
  c.send(3);
  CHECK(result.recv() == true);
}

TEST_CASE("a send happens before its receive in coroutines", "[coro][chan]") {
  weft::run([] {
    const int n = static_cast<int>(weft_test::scaled(2000));
    chan<int*> there(1);
    chan<int*> back;
    auto other = weft::spawn([](chan<int*> in, chan<int*> out) -> coro<> {
      while (std::optional<int*> p = co_await in.async_recv()) {
        ++**p;
        co_await out.async_send(*p);
      }
    }(there, back));
    int plain = 0;  // watched by TSan
    for (int i = 0; i < n; ++i) {
      ++plain;
      there.send(&plain);
      back.recv();
    }
    there.close();
    other.wait();
    CHECK(plain == 2 * n);
  });
}
