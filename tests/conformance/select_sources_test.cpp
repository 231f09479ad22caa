// select: on_done, on_stop, on_joined.
#include "collect.hpp"
#include "left_over.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::background;
using weft::on_default;
using weft::on_done;
using weft::on_joined;
using weft::on_recv;
using weft::on_send;
using weft::on_stop;
using weft::on_timeout;
using weft::select;
using weft_test::until_parked;

namespace {

template <class C>
concept taken_as_lvalue = requires(C c) { select(c); };
template <class C>
concept taken_as_temporary = requires(C&& c) { select(std::move(c)); };

}  // namespace

using done_case = decltype(on_done(background(), [] {}));
using stop_case = decltype(on_stop(std::stop_token(), [] {}));
using join_case = decltype(on_joined(std::declval<weft::join_handle<int>&>(), [] {}));
static_assert(taken_as_temporary<done_case> && !taken_as_lvalue<done_case>);
static_assert(taken_as_temporary<stop_case> && !taken_as_lvalue<stop_case>);
static_assert(taken_as_temporary<join_case> && !taken_as_lvalue<join_case>);

static const weft::key<int> some_key;

TEST_CASE("on_done", "[select][context]") {
  auto check = [] {
    auto [ctx, cancel] = weft::with_cancel(background());
    weft::chan<int> c(1);
    int handled = 0;
    CHECK(select(on_done(ctx, [&] { ++handled; }), on_default([] {})) == 1);
    CHECK(select(on_done(ctx), on_timeout(1ms)) == 1);
    c.send(1);
    CHECK(select(on_done(ctx), on_recv(c)) == 1);
    cancel();
    CHECK(select(on_done(ctx, [&] { ++handled; }), on_recv(c), on_default([] {})) == 0);
    CHECK(handled == 1);
    CHECK(select(on_recv(c), on_done(ctx)) == 1);  // again and again
    CHECK(select(on_done(background()), on_default([] {})) == 1);
    CHECK(select(on_done(background()), on_timeout(1ms)) == 1);
    CHECK(select(on_done(weft::with_value(ctx, some_key, 1)), on_timeout(1h)) == 0);
    auto [timed, cancel_timed] = weft::with_timeout(background(), 1ms);
    CHECK(select(on_recv(c), on_done(timed)) == 1);
    CHECK(timed.err() == weft::context_error::deadline_exceeded);
  };
  check();
  weft::run(check);
}

TEST_CASE("on_done keeps what it waits on, and a done context is chosen as often as another",
          "[select][context]") {
  weft::run([] {
    auto [ctx, cancel] = weft::with_cancel(background());
    cancel();
    weft::chan<int> c;
    c.close();
    int done = 0;
    const int rounds = 2000;
    for (int i = 0; i < rounds; ++i) done += select(on_recv(c), on_done(ctx)) == 1;
    CHECK(done > rounds / 4);
    CHECK(done < rounds * 3 / 4);
  });
}

TEST_CASE("a select that waits is woken by a cancel", "[select][context]") {
  const std::size_t rounds = weft_test::scaled(500);
  weft::run([&] {
    for (std::size_t i = 0; i < rounds; ++i) {
      auto [ctx, cancel] = weft::with_cancel(background());
      weft::chan<int> c;
      auto waiting = weft::spawn([c, ctx = ctx] { return select(on_recv(c), on_done(ctx)); });
      if (i % 3 != 0) until_parked(1);
      if (i % 2 == 0) {
        cancel();
        REQUIRE(waiting.get() == 1);
      } else {
        c.send(1);
        REQUIRE(waiting.get() == 0);
      }
    }
  });
}

TEST_CASE("on_stop", "[select][stop]") {
  auto check = [] {
    std::stop_source source;
    weft::chan<int> c(1);
    int handled = 0;
    auto token = source.get_token();
    CHECK(select(on_stop(token, [&] { ++handled; }), on_default([] {})) == 1);
    CHECK(select(on_stop(token, [&] { ++handled; }), on_timeout(1ms)) == 1);
    c.send(1);
    CHECK(select(on_stop(token), on_recv(c)) == 1);
    source.request_stop();
    CHECK(select(on_recv(c), on_stop(token, [&] { ++handled; }), on_default([] {})) == 1);
    CHECK(handled == 1);
    CHECK(select(on_stop(token), on_recv(c)) == 0);
    // Without a stop state: never.
    CHECK(select(on_stop(std::stop_token()), on_default([] {})) == 1);
    CHECK(select(on_stop(std::stop_token()), on_timeout(1ms)) == 1);
    std::optional<std::stop_source> gone(std::in_place);
    auto orphan = gone->get_token();
    gone.reset();
    CHECK(select(on_stop(orphan), on_timeout(1ms)) == 1);
  };
  check();
  weft::run(check);
}

TEST_CASE("a stop ends selects that wait: goroutines and threads", "[select][stop]") {
  weft::run([] {
    std::stop_source source;
    weft::chan<int> never;
    std::vector<weft::join_handle<std::size_t>> waiting;
    for (int i = 0; i < 4; ++i) {
      waiting.push_back(weft::spawn([never, token = source.get_token()] {
        return select(on_recv(never), on_stop(token), on_timeout(1h), on_stop(std::stop_token()));
      }));
    }
    std::size_t of_thread = 0;
    std::thread thread([&of_thread, never, token = source.get_token()] {
      of_thread = select(on_stop(token), on_recv(never));
      of_thread += 10;
    });
    until_parked(4);
    source.request_stop();
    for (auto& w : waiting) CHECK(w.get() == 1);
    thread.join();
    CHECK(of_thread == 10);
  });
}

TEST_CASE("a stop racing with a channel, the select's beginning and its end", "[select][stop]") {
  const std::size_t rounds = weft_test::scaled(2000);
  std::atomic<int> wrong = 0;
  weft::run([&] {
    for (std::size_t i = 0; i < rounds; ++i) {
      std::stop_source source;
      weft::chan<int> c(1);
      weft::wait_group group;
      std::atomic<bool> stopping = false;
      for (int g = 0; g < 3; ++g) {
        group.go([&, token = source.get_token()] {
          const std::size_t chosen = select(on_stop(token), on_recv(c), on_timeout(20us));
          if (chosen == 0 && !stopping) ++wrong;
        });
      }
      if (i % 4 != 0) weft::yield();
      c.try_send(1);
      if (i % 3 == 0) weft::yield();
      stopping = true;
      source.request_stop();
      group.wait();
    }
  });
  CHECK(wrong == 0);
}

TEST_CASE("on_joined", "[select][join]") {
  auto check = [] {
    weft::chan<int> c(1);
    weft::chan<void> go_on;
    auto handle = weft::spawn([go_on] {
      go_on.recv();
      return 5;
    });
    int handled = 0;
    CHECK(select(on_joined(handle, [&] { ++handled; }), on_default([] {})) == 1);
    CHECK(select(on_joined(handle), on_timeout(1ms)) == 1);
    CHECK(select(on_recv(c), on_timeout(1ms), on_joined(handle)) == 1);
    c.send(1);
    CHECK(select(on_joined(handle), on_recv(c)) == 1);
    go_on.send();
    CHECK(select(on_recv(c), on_joined(handle, [&] { ++handled; })) == 1);
    CHECK(handled == 1);
    CHECK(handle.done());
    CHECK(select(on_joined(handle), on_recv(c), on_default([] {})) == 0);
    CHECK(handle.get() == 5);
    CHECK(select(on_joined(handle), on_recv(c)) == 0);  // the handle has none any more
    weft::join_handle<> none;
    CHECK(select(on_recv(c), on_joined(none)) == 1);
  };
  check();
  weft::run(check);
}

TEST_CASE("select over joins gives the one that ended, among others' waits", "[select][join]") {
  const std::size_t rounds = weft_test::scaled(500);
  weft::run([&] {
    for (std::size_t i = 0; i < rounds; ++i) {
      std::vector<weft::chan<void>> hold(4);
      std::vector<weft::join_handle<std::size_t>> handles;
      for (std::size_t n = 0; n < hold.size(); ++n) {
        hold[n] = weft::chan<void>(1);
        handles.push_back(weft::spawn([n, c = hold[n]] {
          c.recv();
          return n;
        }));
      }
      // The same handles by two selects, by a wait and twice in one select.
      const auto choose = [&] {
        return select(on_joined(handles[0]), on_joined(handles[1]), on_joined(handles[2]),
                      on_joined(handles[2]));
      };
      auto first = weft::spawn(choose);
      auto second = weft::spawn(choose);
      auto third = weft::spawn([&, i] { handles[i % 3].wait(); });
      if (i % 4 != 0) until_parked(4 + i % 4);
      hold[i % 3].send();
      const std::size_t chosen = first.get();
      REQUIRE((chosen == i % 3 || (i % 3 == 2 && chosen == 3)));
      second.wait();
      third.wait();
      for (auto& c : hold) c.try_send();
      for (auto& h : handles) h.wait();
    }
  });
}

TEST_CASE("joins racing with time-outs and with each other", "[select][join]") {
  const std::size_t rounds = weft_test::scaled(2000);
  std::atomic<int> wrong = 0;
  weft::run([&] {
    weft::wait_group group;
    for (int g = 0; g < 3; ++g) {
      group.go([&] {
        for (std::size_t i = 0; i < rounds; ++i) {
          auto a = weft::spawn([i] { weft::sleep_for(std::chrono::microseconds(i % 60)); });
          auto b = weft::spawn([] { weft::yield(); });
          weft::chan<int> never;
          const std::size_t chosen =
              select(on_joined(a), on_recv(never), on_joined(b),
                     on_timeout(std::chrono::microseconds((i * 7) % 60)));
          if (chosen == 0 && !a.done()) ++wrong;
          if (chosen == 2 && !b.done()) ++wrong;
          if (chosen == 1) ++wrong;
          a.get();
          b.get();
        }
      });
    }
    group.wait();
  });
  CHECK(wrong == 0);
}

TEST_CASE("on_joined in a plain thread", "[select][join][threads]") {
  weft::chan<void> go_on;
  weft::chan<int> never;
  auto handle = weft::spawn([=] { go_on.recv(); });
  std::thread thread([=] { go_on.send(); });
  CHECK(select(on_recv(never), on_joined(handle)) == 1);
  thread.join();
}

TEST_CASE("the three in select_cases, used again and again", "[select][context][stop][join]") {
  auto check = [] {
    auto made = weft::with_cancel(background());
    std::stop_source source;
    weft::chan<void> hold;
    auto handle = weft::spawn([hold] { hold.recv(); });
    weft::chan<int> c(1);
    std::vector<int> handled(3);
    std::vector<weft::select_case> cases;
    cases.push_back(on_done(made.first, [&handled] { ++handled[0]; }));
    cases.push_back(on_stop(source.get_token(), [&handled, own = std::make_unique<int>(1)] {
      ++handled[1];
    }));
    cases.push_back(on_joined(handle, [&handled] { ++handled[2]; }));
    cases.push_back(on_recv(c));
    cases.push_back(on_timeout(1ms));
    for (int i = 0; i < 2; ++i) {
      CHECK(select(cases) == 4);
      c.send(1);
      CHECK(select(cases) == 3);
    }
    std::vector<weft::select_case> moved;
    for (auto& each : cases) moved.push_back(std::move(each));
    hold.send();
    handle.wait();
    CHECK(select(moved) == 2);
    handle = weft::spawn([] { weft::chan<void>().recv_for(2h); });  // another one in the same handle
    CHECK(select(moved) == 4);
    source.request_stop();
    CHECK(select(moved) == 1);
    CHECK(select(moved) == 1);
    CHECK(handled == std::vector<int>{0, 2, 1});
    moved.erase(moved.begin() + 1);
    made.second();
    CHECK(select(moved) == 0);
    CHECK(handled[0] == 1);
  };
  weft::run(check);
}

TEST_CASE("the three in a coroutine's async_select", "[select][context][stop][join][coro]") {
  const std::size_t rounds = weft_test::scaled(300);
  std::atomic<int> wrong = 0;
  weft::run([&] {
    for (std::size_t i = 0; i < rounds; ++i) {
      auto [ctx, cancel] = weft::with_cancel(background());
      std::stop_source source;
      weft::chan<void> hold(1);
      auto handle = weft::spawn([hold] { hold.recv(); });
      weft::chan<int> never;
      auto waiting = weft::spawn([&, &ctx = ctx]() -> weft::coro<std::size_t> {
        co_return co_await weft::async_select(on_done(ctx), on_stop(source.get_token()),
                                              on_joined(handle), on_recv(never), on_timeout(1h));
      });
      if (i % 4 != 0) until_parked(1);
      if (i % 3 == 0) cancel();
      if (i % 3 == 1) source.request_stop();
      if (i % 3 == 2) hold.send();
      if (waiting.get() != i % 3) ++wrong;
      hold.try_send();
      handle.wait();
    }
    weft_test::until_nothing_is_left();
  });
  CHECK(wrong == 0);
}

TEST_CASE("a select on every kind at once; the end of the run ends it", "[select]") {
  std::atomic<int> unwound = 0;
  weft::run([&] {
    auto ends = std::make_shared<weft::pipe_ends>(weft::pipe());
    auto made = std::make_shared<std::pair<weft::context, weft::cancel_function>>(
        weft::with_cancel(background()));
    for (int i = 0; i < 3; ++i) {
      weft::go([&unwound, ends, made] {
        std::stop_source source;
        weft::chan<int> a, b;
        auto handle = weft::spawn([a] { a.recv(); });
        try {
          select(on_recv(a), on_send(b, 1), on_done(made->first), on_stop(source.get_token()),
                 on_joined(handle), weft::on_readable(ends->reader.get()), on_timeout(1h));
        } catch (const weft::goroutine_exit&) {
          ++unwound;
          throw;
        }
      });
    }
    until_parked(6);
  });
  CHECK(unwound == 3);
}
