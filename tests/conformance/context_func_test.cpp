// after_func(context, f): Go's context/x_test.go, afterfunc_test.go.
#include "collect.hpp"
#include "left_over.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::after_func;
using weft::background;
using weft::with_cancel;
using weft::with_timeout;

static_assert(std::is_same_v<decltype(after_func(background(), [] {})), weft::stop_function>);

static const weft::key<int> some_key;

TEST_CASE("TestAfterFuncCalledAfterCancel", "[context][after_func]") {
  auto check = [] {
    auto [ctx, cancel] = with_cancel(background());
    weft::chan<bool> ran(1);
    auto stop = after_func(ctx, [ran] { ran.send(weft::this_goroutine::inside()); });
    std::optional<bool> out;
    CHECK(ran.try_recv(out) == weft::chan_status::empty);
    cancel();
    CHECK(ran.recv() == true);
    CHECK_FALSE(stop());
  };
  check();
  weft::run([&] {
    check();
    weft_test::until_nothing_is_left();
  });
}

TEST_CASE("TestAfterFuncCalledAfterTimeout", "[context][after_func]") {
  weft::run([] {
    auto [ctx, cancel] = with_timeout(background(), 2ms);
    weft::chan<weft::context_error> ran(1);
    after_func(ctx, [ran, ctx = ctx] { ran.send(ctx.err()); });
    CHECK(ran.recv() == weft::context_error::deadline_exceeded);
    weft_test::until_nothing_is_left();
  });
}

TEST_CASE("TestAfterFuncCalledImmediately", "[context][after_func]") {
  auto [ctx, cancel] = with_cancel(background());
  cancel();
  weft::chan<void> ran(1);
  auto stop = after_func(ctx, [ran] { ran.send(); });
  CHECK(ran.recv());
  CHECK_FALSE(stop());
}

TEST_CASE("TestAfterFuncNotCalledAfterStop", "[context][after_func]") {
  weft::run([] {
    auto [ctx, cancel] = with_cancel(background());
    std::atomic<int> called = 0;
    auto own = std::make_shared<int>(1);
    std::weak_ptr<int> seen = own;
    auto stop = after_func(ctx, [&called, own = std::move(own)] { ++called; });
    CHECK(stop());
    CHECK(seen.expired());  // destroyed by the stop
    CHECK_FALSE(stop());
    cancel();
    CHECK_FALSE(stop());
    weft_test::until_nothing_is_left();
    CHECK(called == 0);
  });
}

TEST_CASE("TestAfterFuncCalledAsynchronously", "[context][after_func]") {
  weft::run([] {
    auto [ctx, cancel] = with_cancel(background());
    weft::chan<void> c;
    after_func(ctx, [c] { c.send(); });
    cancel();  // does not wait for it
    CHECK(c.recv());
  });
}

TEST_CASE("on a context that is never done the function is never called", "[context][after_func]") {
  auto own = std::make_shared<int>(1);
  std::weak_ptr<int> seen = own;
  auto stop = after_func(background(), [own = std::move(own)] {});
  auto copy = stop;
  CHECK(copy());
  CHECK(seen.expired());
  CHECK_FALSE(stop());
  own = std::make_shared<int>(1);
  seen = own;
  { after_func(weft::without_cancel(background()), [own = std::move(own)] {}); }
  CHECK(seen.expired());  // nobody is left who could stop or start it
  CHECK_FALSE(weft::stop_function()());
}

TEST_CASE("dropping the stop_function stops nothing; functions may be move-only", "[context][after_func]") {
  weft::run(weft::options{.workers = 1}, [] {
    auto [ctx, cancel] = with_cancel(background());
    weft::chan<int> ran(8);
    for (int i = 0; i < 8; ++i) {
      after_func(i % 2 == 0 ? ctx : weft::with_value(ctx, some_key, 1),
                 [ran, i, own = std::make_unique<int>(i)] { ran.send(*own); });
    }
    cancel();
    int sum = 0;
    for (int i = 0; i < 8; ++i) sum += *ran.recv();
    CHECK(sum == 28);
  });
}

TEST_CASE("a child's function is called when its parent is cancelled", "[context][after_func]") {
  weft::run([] {
    auto [parent, cancel] = with_cancel(background());
    auto [child, cancel_child] = with_cancel(parent);
    auto [timed, cancel_timed] = with_timeout(child, 1h);
    weft::chan<int> ran(3);
    after_func(timed, [ran] { ran.send(1); });
    after_func(child, [ran] { ran.send(2); });
    auto stop = after_func(parent, [ran] { ran.send(4); });
    CHECK(stop());
    cancel();
    CHECK(*ran.recv() + *ran.recv() == 3);
    weft_test::until_nothing_is_left();
    CHECK(ran.size() == 0);
  });
}

TEST_CASE("stop racing with cancel: called exactly if stop said no", "[context][after_func]") {
  const std::size_t rounds = weft_test::scaled(3000);
  std::atomic<int> wrong = 0;
  weft::run([&] {
    for (std::size_t i = 0; i < rounds; ++i) {
      auto [ctx, cancel] = i % 2 == 0 ? with_cancel(background())
                                      : with_timeout(background(), std::chrono::microseconds(i % 40));
      auto called = std::make_shared<std::atomic<int>>(0);
      weft::chan<void> ran(1);
      auto stop = after_func(ctx, [called, ran] {
        ++*called;
        ran.try_send();
      });
      weft::wait_group group;
      std::atomic<int> stopped = 0;
      for (int g = 0; g < 2; ++g) {
        group.go([&stopped, stop] {
          if (stop()) ++stopped;
        });
      }
      if (i % 3 == 0) weft::yield();
      if (i % 2 != 0) weft::sleep_for(std::chrono::microseconds((i * 7) % 40));
      cancel();
      group.wait();
      if (stopped == 0) {
        ran.recv();
        if (*called != 1) ++wrong;
      } else {
        weft::yield();
        if (stopped != 1 || *called != 0) ++wrong;
      }
    }
    weft_test::until_nothing_is_left();
  });
  CHECK(wrong == 0);
}

TEST_CASE("registering racing with cancel: called exactly once", "[context][after_func]") {
  const std::size_t rounds = weft_test::scaled(2000);
  std::atomic<std::size_t> called = 0;
  weft::run([&] {
    for (std::size_t i = 0; i < rounds; ++i) {
      auto [ctx, cancel] = with_cancel(background());
      weft::wait_group group;
      group.go([&called, ctx = ctx] { after_func(ctx, [&called] { ++called; }); });
      if (i % 3 == 0) weft::yield();
      cancel();
      group.wait();
    }
    weft_test::until_nothing_is_left();
  });
  CHECK(called == rounds);
}

TEST_CASE("a function that no run is left to start is destroyed", "[context][after_func]") {
  auto own = std::make_shared<int>(1);
  std::weak_ptr<int> seen = own;
  std::atomic<bool> called = false;
  weft::run([&] {
    weft::go([&, own = std::move(own)]() mutable {
      auto [ctx, cancel] = with_cancel(background());
      after_func(ctx, [&called, own = std::move(own)] { called = true; });
      weft::chan<void>().recv();  // unwound: cancels in an ending run
    });
    weft_test::until_parked(1);
  });
  CHECK(seen.expired());
  CHECK_FALSE(called);
}

TEST_CASE("a function is started in the runtime of the cancel", "[context][after_func][threads]") {
  weft::runtime a(weft::options{.workers = 1});
  weft::chan<unsigned> ran(2);
  auto [ctx, cancel] = with_cancel(background());
  after_func(ctx, [ran] { ran.send(weft::workers()); });
  a.run([&cancel = cancel] { cancel(); });
  CHECK(ran.recv() == 1u);
  auto [other, cancel_other] = with_cancel(background());
  a.run([&, &other = other] { after_func(other, [ran] { ran.send(weft::workers()); }); });
  std::thread thread([&cancel_other = cancel_other] { cancel_other(); });
  thread.join();
  CHECK(ran.recv() == weft::workers());
}
