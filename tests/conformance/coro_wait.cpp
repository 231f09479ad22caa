// async_select, async_sleep_for, join_handle::async_wait, wait_group::async_wait.
#include "collect.hpp"
#include "coroutines.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"
#include "values.hpp"

#include <weft/weft.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::async_select;
using weft::chan;
using weft::chan_status;
using weft::coro;
using weft::on_default;
using weft::on_recv;
using weft::on_send;
using weft::on_timeout;
using weft_test::counted;
using weft_test::eager;
using weft_test::until_parked;

TEST_CASE("async_select runs the case that is ready and gives its position", "[coro][select]") {
  weft::run([] {
    chan<int> a(1);
    chan<int> b(1);
    auto body = [&]() -> coro<> {
      b.send(2);
      int got = 0;
      std::size_t chosen = co_await async_select(
          on_recv(a, [&](std::optional<int> v) { got = *v; }),
          on_recv(b, [&](std::optional<int> v) { got = 10 * *v; }));
      CHECK(chosen == 1);
      CHECK(got == 20);
      chosen = co_await async_select(on_recv(a), on_send(b, 3, [&] { got = 1; }));
      CHECK(chosen == 1);
      CHECK(got == 1);
      std::optional<int> filled;
      chosen = co_await async_select(on_recv(b, filled), on_default());
      CHECK(chosen == 0);
      CHECK(filled == 3);
      chosen = co_await async_select(on_recv(b), on_default([&] { got = 5; }));
      CHECK(chosen == 1);
      CHECK(got == 5);
    };
    weft::spawn(body).get();
  });
}

TEST_CASE("async_select waits for goroutines, coroutines and time-outs", "[coro][select]") {
  weft::run([] {
    chan<int> a;
    chan<int> b;
    auto both = [](chan<int> from, chan<int> to, int n) -> coro<int> {
      int received = 0;
      int sent = 0;
      while (received + sent < n) {
        co_await async_select(on_recv(from, [&](std::optional<int> v) { received += *v; }),
                              on_send(to, 1, [&] { ++sent; }));
      }
      co_return received;
    };
    const int n = static_cast<int>(weft_test::scaled(3000));
    auto h = weft::spawn(both(a, b, n));
    int done = 0;
    for (int i = 0; i < n; ++i) {
      weft::select(on_send(a, 1, [&] { ++done; }), on_recv(b));
    }
    CHECK(h.get() == done);
    // Two coroutines that could meet both ways meet once.
    auto first = weft::spawn(both(a, b, n));
    auto second = weft::spawn(both(b, a, n));
    first.wait();
    second.wait();
    const auto before = weft::clock::now();
    int late = 0;
    auto timed = [&]() -> coro<std::size_t> {
      co_return co_await async_select(on_recv(a), on_timeout(5ms, [&] { ++late; }), on_timeout(1h));
    };
    CHECK(weft::spawn(timed).get() == 1);
    CHECK(weft::clock::now() - before >= 5ms);
    CHECK(late == 1);
    auto past = [&]() -> coro<std::size_t> {
      co_return co_await async_select(on_recv(a), on_timeout(weft::clock::now() - 1s));
    };
    CHECK(weft::spawn(past).get() == 1);
  });
}

TEST_CASE("async_select never meets itself, and takes no nil channel", "[coro][select]") {
  weft::run([] {
    chan<int> c;
    auto body = [](chan<int> on) -> coro<std::size_t> {
      chan<int> nil(nullptr);
      co_return co_await async_select(on_send(on, 1), on_recv(on), on_recv(nil), on_send(nil, 1),
                                      on_timeout(5ms));
    };
    CHECK(weft::spawn(body(c)).get() == 4);
    CHECK(c.try_send(1) == chan_status::full);
  });
}

TEST_CASE("async_select and a close", "[coro][select]") {
  weft::run([] {
    chan<int> c;
    auto receive = [](chan<int> from) -> coro<bool> {
      bool closed = false;
      co_await async_select(on_recv(from, [&](std::optional<int> v) { closed = !v; }), on_timeout(1h));
      co_return closed;
    };
    auto send = [](chan<int> to) -> coro<bool> {
      try {
        co_await async_select(on_send(to, 1), on_timeout(1h));
      } catch (const weft::closed_channel&) {
        co_return true;
      }
      co_return false;
    };
    auto a = weft::spawn(receive(c));
    auto b = weft::spawn(receive(c));
    until_parked(2);
    c.close();
    CHECK(a.get());
    CHECK(b.get());
    chan<int> d;
    auto s = weft::spawn(send(d));
    until_parked(1);
    d.close();
    CHECK(s.get());
    CHECK(weft::spawn(send(d)).get());
  });
}

TEST_CASE("async_select moves a value only if its case wins", "[coro][select]") {
  counted::reset();
  const int before = counted::alive;
  weft::run([] {
    chan<counted> full;
    chan<int> other;
    auto body = [](chan<counted> to, chan<int> from) -> coro<int> {
      counted value(3);
      counted second(4);
      co_await async_select(on_send(to, std::move(value)), on_recv(from));
      const int kept = value.value;
      co_await async_select(on_send(to, std::move(second)), on_recv(from));
      co_return 10 * kept + second.value;
    };
    auto h = weft::spawn(body(full, other));
    until_parked(1);
    other.send(1);
    CHECK(full.recv()->value == 4);
    CHECK(h.get() == 29);  // 3 is kept, the other was moved from
    // Values and handlers that are temporaries of the co_await live until it is over. (A lambda with
    // captures that need destruction has to be a variable: g++ before 12.3 destroys it twice.)
    auto temporaries = [](chan<counted> to, chan<int> from) -> coro<int> {
      int result = 0;
      const auto received = [&result, c = counted(7)](std::optional<int>) { result = c.value; };
      co_await async_select(on_send(to, counted(5), [&result] { result = 6; }),
                            on_recv(from, received));
      co_return result;
    };
    auto t = weft::spawn(temporaries(full, other));
    until_parked(1);
    CHECK(full.recv()->value == 5);
    CHECK(t.get() == 6);
    auto u = weft::spawn(temporaries(full, other));
    until_parked(1);
    other.send(1);
    CHECK(u.get() == 7);
  });
  CHECK(counted::alive == before);
}

TEST_CASE("async_select chooses among the ready at random", "[coro][select]") {
  weft::run([] {
    auto body = []() -> coro<bool> {
      chan<int> a(1);
      chan<int> b(1);
      std::array<int, 2> chosen{};
      for (int i = 0; i < 2000; ++i) {
        a.try_send(1);
        b.try_send(1);
        ++chosen[co_await async_select(on_recv(a), on_recv(b))];
      }
      co_return chosen[0] > 800 && chosen[1] > 800;
    };
    CHECK(weft::spawn(body).get());
  });
}

TEST_CASE("async_select over a span", "[coro][select]") {
  weft::run([] {
    auto body = []() -> coro<> {
      std::vector<chan<int>> channels(7);
      int got = 0;
      std::vector<weft::select_case> cases;
      for (auto& c : channels) {
        cases.emplace_back(on_recv(c, [&got](std::optional<int> v) { got = *v; }));
      }
      cases.emplace_back(on_timeout(5ms));
      std::size_t chosen = co_await async_select(cases);
      CHECK(chosen == 7);
      weft::go([c = channels[3]] { c.send(9); });
      while (chosen == 7) chosen = co_await async_select(cases);
      CHECK(chosen == 3);
      CHECK(got == 9);
      std::vector<weft::select_case> send;
      send.emplace_back(on_send(channels[0], 4));
      auto receiver = weft::spawn([c = channels[0]] { return c.recv(); });
      chosen = co_await async_select(send);
      CHECK(chosen == 0);
      CHECK(receiver.get() == 4);
      bool threw = false;
      try {
        co_await async_select(send);  // its value is gone
      } catch (const std::logic_error&) {
        threw = true;
      }
      CHECK(threw);
      send[0].value(5);
      auto again = weft::spawn([c = channels[0]]() -> coro<int> { co_return *co_await c.async_recv(); });
      co_await async_select(send);
      co_await again.async_wait();
      CHECK(again.get() == 5);
    };
    weft::spawn(body).get();
  });
}

TEST_CASE("async_select waits for descriptors", "[coro][select]") {
  weft::run([] {
    auto [reader, writer] = weft::pipe();
    auto body = [](int fd) -> coro<std::size_t> {
      co_return co_await async_select(weft::on_timeout(1h), weft::on_readable(fd));
    };
    auto h = weft::spawn(body(reader.get()));
    until_parked(1);
    writer.write("x");
    CHECK(h.get() == 1);
    CHECK(weft::spawn(body(reader.get())).get() == 1);
  });
}

TEST_CASE("what a handler of async_select throws leaves the co_await", "[coro][select]") {
  weft::run([] {
    chan<int> c(1);
    auto body = [&]() -> coro<> {
      c.send(1);
      co_await async_select(on_recv(c, [](std::optional<int>) { throw std::runtime_error("handler"); }));
    };
    CHECK_THROWS_AS(weft::spawn(body).get(), std::runtime_error);
  });
}

TEST_CASE("a throwing move in async_select leaves the channel usable", "[coro][select]") {
  weft::run([] {
    chan<weft_test::fused> c;
    auto receiver = weft::spawn([](chan<weft_test::fused> from) -> coro<int> {
      int got = 0;
      co_await async_select(on_recv(from, [&](const auto& v) { got = v->value(); }), on_timeout(1h));
      co_return got;
    }(c));
    until_parked(1);
    weft_test::fused bad(1);
    bad.arm(0);
    CHECK_THROWS_AS(c.send(std::move(bad)), weft_test::value_error);
    until_parked(1);
    c.send(weft_test::fused(2));
    CHECK(receiver.get() == 2);
  });
}

TEST_CASE("destroying a coroutine in async_select withdraws every case", "[coro][select]") {
  weft::run([] {
    chan<int> a;
    chan<int> b(1);
    b.send(1);
    auto wait = [](chan<int> x, chan<int> y) -> eager {
      co_await async_select(on_recv(x), on_send(y, 2), on_timeout(1h));
    };
    {
      eager e = wait(a, b);
      CHECK(weft::stats().timers == 1);
    }
    CHECK(weft::stats().timers == 0);
    CHECK(a.try_send(1) == chan_status::full);
    CHECK(b.recv() == 1);
    std::optional<int> v;
    CHECK(b.try_recv(v) == chan_status::empty);
  });
}

TEST_CASE("async_sleep_for is never early, and may be destroyed", "[coro][time]") {
  weft::run([] {
    auto sleep = [](std::chrono::milliseconds d) -> coro<bool> {
      const auto before = weft::clock::now();
      co_await weft::async_sleep_for(d);
      const auto at = weft::clock::now() + d;
      co_await weft::async_sleep_until(at);
      co_return weft::clock::now() >= at && at - before >= 2 * d;
    };
    std::vector<weft::join_handle<bool>> all;
    for (int i = 0; i < 20; ++i) all.push_back(weft::spawn(sleep(std::chrono::milliseconds(i))));
    for (auto& h : all) CHECK(h.get());
    CHECK(weft::spawn(sleep(-5ms)).get());
    while (weft::stats().timers != 0) weft::yield();  // one that fires counts until all it wakes are woken
    auto for_ever = []() -> eager { co_await weft::async_sleep_for(std::chrono::hours::max()); };
    auto an_hour = []() -> eager { co_await weft::async_sleep_for(1h); };
    {
      eager a = for_ever();
      eager b = an_hour();
      CHECK(weft::stats().timers == 1);
      CHECK(weft::num_goroutines() == 3);
    }
    CHECK(weft::stats().timers == 0);
    CHECK(weft::num_goroutines() == 1);
  });
}

TEST_CASE("a sleep of nothing lets the others go first", "[coro][time]") {
  weft::run({.workers = 1}, [] {
    std::vector<int> order;
    std::mutex mutex;
    auto note = [&](int i) {
      std::lock_guard lock(mutex);
      order.push_back(i);
    };
    weft::wait_group group;
    auto body = [&](int i) -> coro<> {
      note(i);
      co_await weft::async_sleep_for(0ms);
      note(i + 10);
    };
    for (int i = 0; i < 3; ++i) group.go(body(i));
    group.wait();
    REQUIRE(order.size() == 6);
    for (std::size_t i = 0; i < 3; ++i) CHECK(order[i] < 10);
  });
}

TEST_CASE("a coroutine waits for a goroutine's end", "[coro][join]") {
  weft::run([] {
    auto body = []() -> coro<int> {
      chan<int> c;
      auto slow = weft::spawn([c] { return *c.recv(); });
      weft::go([c] { c.send(4); });
      co_await slow.async_wait();
      CHECK(slow.done());
      co_await slow.async_wait();  // at once
      const int first = slow.get();
      co_await slow.async_wait();  // taken: at once
      auto other = weft::spawn([](chan<int> in) -> coro<int> { co_return *co_await in.async_recv(); }(c));
      weft::go([](chan<int> out) -> coro<> { co_await out.async_send(5); }(c));
      co_await other.async_wait();
      co_return 10 * first + other.get();
    };
    CHECK(weft::spawn(body).get() == 45);
    // Several wait for one, in every way.
    chan<void> release;
    auto one = weft::spawn([release] { release.recv(); });
    weft::wait_group waiting;
    std::atomic<int> through = 0;
    for (int i = 0; i < 5; ++i) {
      waiting.go([&]() -> coro<> {
        co_await one.async_wait();
        ++through;
      });
      waiting.go([&] {
        one.wait();
        ++through;
      });
    }
    until_parked(11);
    release.send();
    waiting.wait();
    CHECK(through == 10);
    // Destroyed while it waits.
    auto never = weft::spawn([release] { release.recv(); });
    {
      auto wait = [&]() -> eager { co_await never.async_wait(); };
      eager e = wait();
      eager f = wait();
      e.destroy();
    }
    release.send();
    never.wait();
  });
}

TEST_CASE("a coroutine waits for a wait group", "[coro][sync]") {
  weft::run([] {
    weft::wait_group group;
    auto wait = [&]() -> coro<> { co_await group.async_wait(); };
    weft::spawn(wait()).get();
    group.add(2);
    auto h = weft::spawn(wait());
    auto i = weft::spawn(wait());
    auto destroyed = [&]() -> eager { co_await group.async_wait(); };
    {
      eager e = destroyed();
    }
    until_parked(2);
    group.done();
    CHECK_FALSE(h.done());
    group.done();
    h.wait();
    i.wait();
    // It may go as soon as the wait is over.
    const int n = static_cast<int>(weft_test::scaled(2000));
    auto many = []() -> coro<> {
      for (int k = 0; k < n; ++k) {
        auto g = std::make_unique<weft::wait_group>();
        g->add(1);
        weft::go([p = g.get()] { p->done(); });
        co_await g->async_wait();
      }
    };
    weft::spawn(many()).get();
  });
}

TEST_CASE("dump lists suspended coroutines", "[coro][dump]") {
  weft::run([] {
    chan<int> c;
    auto receive = [&]() -> eager { co_await c.async_recv(); };
    auto sleep = []() -> eager { co_await weft::async_sleep_for(1h); };
    eager a = receive();
    eager b = receive();
    eager s = sleep();
    std::ostringstream text;
    weft::dump(text);
    CHECK(text.str().find("2 coroutines suspended in chan receive") != std::string::npos);
    CHECK(text.str().find("1 coroutine suspended in sleep") != std::string::npos);
  });
}
