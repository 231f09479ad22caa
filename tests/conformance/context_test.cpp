// Contexts: Go's context/context_test.go and x_test.go where there is one.
#include "collect.hpp"
#include "left_over.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::background;
using weft::chan_status;
using weft::clock;
using weft::context;
using weft::context_error;
using weft::with_cancel;
using weft::with_deadline;
using weft::with_timeout;
using weft::with_value;
using weft::without_cancel;

static_assert(std::is_same_v<decltype(with_cancel(background())),
                             std::pair<context, weft::cancel_function>>);
static_assert(std::is_same_v<decltype(with_timeout(background(), 1ms)),
                             std::pair<context, weft::cancel_function>>);
static_assert(std::is_same_v<decltype(with_deadline(background(), clock::now())),
                             std::pair<context, weft::cancel_function>>);
static_assert(std::is_same_v<decltype(background().done()), weft::recv_chan<void>>);
static_assert(std::is_same_v<decltype(background().err()), context_error>);
static_assert(std::is_same_v<decltype(background().cause()), std::exception_ptr>);
static_assert(std::is_same_v<decltype(background().deadline()), std::optional<clock::time_point>>);
static_assert(std::is_same_v<decltype(background().stop_token()), std::stop_token>);
static_assert(!std::is_copy_constructible_v<weft::cancel_function>);
static_assert(std::is_nothrow_move_constructible_v<weft::cancel_function>);
static_assert(std::is_copy_constructible_v<context>);
static_assert(std::is_default_constructible_v<context>);
static_assert(std::is_base_of_v<std::runtime_error, weft::context_cancelled>);
static_assert(std::is_base_of_v<std::runtime_error, weft::context_deadline_exceeded>);

namespace {

static const weft::key<int> number;
static const weft::key<int> other_number;
static const weft::key<std::string> text;

bool is_closed(const weft::recv_chan<void>& c) { return c.try_recv() == chan_status::closed; }

template <class E>
bool holds(const std::exception_ptr& p) {
  if (!p) return false;
  try {
    std::rethrow_exception(p);
  } catch (const E&) {
    return true;
  } catch (...) {
    return false;
  }
}

struct reason : std::runtime_error {
  using std::runtime_error::runtime_error;
};
std::exception_ptr because(const char* what) { return std::make_exception_ptr(reason(what)); }
std::string reason_of(const context& ctx) {
  try {
    if (auto cause = ctx.cause()) std::rethrow_exception(cause);
  } catch (const reason& r) {
    return r.what();
  } catch (...) {
    return "something else";
  }
  return "";
}

}  // namespace

TEST_CASE("TestBackground", "[context]") {
  context ctx = background();
  CHECK_FALSE(ctx.done());
  CHECK(ctx.err() == context_error::none);
  CHECK(ctx.cause() == nullptr);
  CHECK(ctx.deadline() == std::nullopt);
  CHECK_FALSE(ctx.stop_token().stop_possible());
  CHECK(ctx.value(number) == nullptr);
  CHECK((context() == background()));
}

TEST_CASE("TestWithCancel", "[context]") {
  auto check = [] {
    auto [ctx, cancel] = with_cancel(background());
    CHECK(ctx.err() == context_error::none);
    CHECK(ctx.cause() == nullptr);
    REQUIRE(ctx.done());
    CHECK((ctx.done() == ctx.done()));
    CHECK(ctx.done().try_recv() == chan_status::empty);
    CHECK(ctx.deadline() == std::nullopt);
    cancel();
    CHECK(is_closed(ctx.done()));
    CHECK_FALSE(ctx.done().recv());
    CHECK(ctx.err() == context_error::cancelled);
    CHECK(holds<weft::context_cancelled>(ctx.cause()));
    cancel();
    CHECK(ctx.err() == context_error::cancelled);
  };
  check();
  weft::run(check);
}

TEST_CASE("done() of a context that is done already", "[context]") {
  auto [ctx, cancel] = with_cancel(background());
  cancel();
  CHECK(is_closed(ctx.done()));
  CHECK((ctx.done() == ctx.done()));
  auto [child, cancel_child] = with_cancel(ctx);
  CHECK(child.err() == context_error::cancelled);
  CHECK(is_closed(child.done()));
  CHECK(child.stop_token().stop_requested());
}

TEST_CASE("destroying or replacing a cancel_function cancels", "[context]") {
  context ctx;
  {
    auto made = with_cancel(background());
    ctx = made.first;
    weft::cancel_function moved = std::move(made.second);
    made.second();  // moved from: nothing
    CHECK(ctx.err() == context_error::none);
  }
  CHECK(ctx.err() == context_error::cancelled);
  auto [first, cancel] = with_cancel(background());
  auto [second, cancel_second] = with_cancel(background());
  cancel = std::move(cancel_second);
  CHECK(first.err() == context_error::cancelled);
  CHECK(second.err() == context_error::none);
  cancel();
  CHECK(second.err() == context_error::cancelled);
  weft::cancel_function none;
  none();
}

TEST_CASE("TestParentFinishesChild: a cancel reaches every child before it returns, never the parent",
          "[context]") {
  auto check = [] {
    auto [parent, cancel_parent] = with_cancel(background());
    auto [child, cancel_child] = with_cancel(parent);
    auto value = with_value(parent, number, 1);
    auto [of_value, cancel_of_value] = with_cancel(value);
    auto [timed, cancel_timed] = with_timeout(of_value, 1h);
    auto token = timed.stop_token();
    auto done = of_value.done();
    cancel_child();
    CHECK(child.err() == context_error::cancelled);
    CHECK(parent.err() == context_error::none);
    CHECK(of_value.err() == context_error::none);
    cancel_parent();
    CHECK(parent.err() == context_error::cancelled);
    CHECK(value.err() == context_error::cancelled);
    CHECK(is_closed(value.done()));
    CHECK((value.done() == parent.done()));
    CHECK(of_value.err() == context_error::cancelled);
    CHECK(is_closed(done));
    CHECK(timed.err() == context_error::cancelled);
    CHECK(token.stop_requested());
    // A child of a parent that is done is done at once.
    auto [late, cancel_late] = with_timeout(value, 1h);
    CHECK(late.err() == context_error::cancelled);
    CHECK(is_closed(late.done()));
  };
  check();
  weft::run([&] {
    check();
    weft_test::until_nothing_is_left();
  });
}

TEST_CASE("TestCause: the first cause wins", "[context]") {
  SECTION("of several cancels") {
    auto [ctx, cancel] = with_cancel(background());
    cancel(because("first"));
    cancel(because("second"));
    cancel();
    CHECK(ctx.err() == context_error::cancelled);
    CHECK(reason_of(ctx) == "first");
  }
  SECTION("none is a cause, too") {
    auto [ctx, cancel] = with_cancel(background());
    cancel();
    cancel(because("late"));
    CHECK(holds<weft::context_cancelled>(ctx.cause()));
  }
  SECTION("a child has its parent's") {
    auto [parent, cancel_parent] = with_cancel(background());
    auto [child, cancel_child] = with_cancel(with_value(parent, number, 1));
    cancel_parent(because("parent"));
    cancel_child(because("child"));
    CHECK(reason_of(parent) == "parent");
    CHECK(reason_of(child) == "parent");
    auto [late, cancel_late] = with_cancel(child);
    CHECK(reason_of(late) == "parent");
  }
  SECTION("unless it came first") {
    auto [parent, cancel_parent] = with_cancel(background());
    auto [child, cancel_child] = with_cancel(parent);
    auto [grandchild, cancel_grandchild] = with_cancel(child);
    cancel_child(because("child"));
    CHECK(parent.cause() == nullptr);
    cancel_parent(because("parent"));
    CHECK(reason_of(parent) == "parent");
    CHECK(reason_of(child) == "child");
    CHECK(reason_of(grandchild) == "child");
  }
  SECTION("of a time-out") {
    auto [ctx, cancel] = with_timeout(background(), 0s);
    cancel(because("late"));
    CHECK(ctx.err() == context_error::deadline_exceeded);
    CHECK(holds<weft::context_deadline_exceeded>(ctx.cause()));
    auto [timed, cancel_timed] = with_timeout(background(), 1h);
    cancel_timed(because("early"));
    CHECK(timed.err() == context_error::cancelled);
    CHECK(reason_of(timed) == "early");
  }
}

TEST_CASE("TestDeadline, TestTimeout", "[context]") {
  auto check = [] {
    const auto start = clock::now();
    auto [ctx, cancel] = with_timeout(background(), 5ms);
    REQUIRE(ctx.deadline().has_value());
    CHECK(*ctx.deadline() - start >= 5ms);
    CHECK_FALSE(ctx.done().recv());
    CHECK(clock::now() >= *ctx.deadline());
    CHECK(ctx.err() == context_error::deadline_exceeded);
    CHECK(holds<weft::context_deadline_exceeded>(ctx.cause()));
    const auto at = clock::now() + 3ms;
    auto [until, cancel_until] = with_deadline(with_value(background(), number, 3), at);
    CHECK(until.deadline() == at);
    auto [child, cancel_child] = with_cancel(until);
    CHECK(child.deadline() == at);
    CHECK_FALSE(child.done().recv());
    CHECK(clock::now() >= at);
    CHECK(child.err() == context_error::deadline_exceeded);
    CHECK(until.err() == context_error::deadline_exceeded);
  };
  check();
  weft::run([&] {
    check();
    weft_test::until_nothing_is_left();
  });
}

TEST_CASE("a deadline earlier than the parent's, and a later one", "[context]") {
  weft::run([] {
    const auto at = clock::now() + 1h;
    auto [parent, cancel_parent] = with_deadline(background(), at);
    CHECK(weft::stats().timers == 1);
    auto [later, cancel_later] = with_deadline(parent, at + 1h);
    CHECK(later.deadline() == at);
    CHECK(weft::stats().timers == 1);  // the parent's ends it
    auto [earlier, cancel_earlier] = with_deadline(later, at - 1s);
    CHECK(earlier.deadline() == at - 1s);
    CHECK(weft::stats().timers == 2);
    auto [soon, cancel_soon] = with_timeout(earlier, 2ms);
    CHECK_FALSE(soon.done().recv());
    CHECK(soon.err() == context_error::deadline_exceeded);
    CHECK(earlier.err() == context_error::none);
    CHECK(parent.err() == context_error::none);
    auto [again, cancel_again] = with_timeout(background(), 2ms);
    auto [below, cancel_below] = with_timeout(again, 1h);
    CHECK_FALSE(below.done().recv());
    CHECK(below.err() == context_error::deadline_exceeded);
    cancel_parent();
    weft_test::until_nothing_is_left();
  });
}

TEST_CASE("a deadline in the past is done at once", "[context]") {
  auto check = [] {
    for (auto d : {0ns, -1ns, -1000000ns}) {
      auto [ctx, cancel] = with_timeout(background(), d);
      CHECK(ctx.err() == context_error::deadline_exceeded);
      CHECK(is_closed(ctx.done()));
      CHECK(ctx.deadline().has_value());
    }
    auto [ctx, cancel] = with_deadline(background(), clock::time_point::min());
    CHECK(ctx.err() == context_error::deadline_exceeded);
    auto [parent, cancel_parent] = with_cancel(background());
    auto [child, cancel_child] = with_timeout(parent, -1s);
    CHECK(child.err() == context_error::deadline_exceeded);
    CHECK(parent.err() == context_error::none);
    // The parent's end comes first.
    cancel_parent(because("before"));
    auto [late, cancel_late] = with_timeout(parent, -1s);
    CHECK(late.err() == context_error::cancelled);
    CHECK(reason_of(late) == "before");
  };
  check();
  weft::run([&] {
    check();
    weft_test::until_nothing_is_left();
  });
}

TEST_CASE("a deadline of for ever is none, and other clocks and units will do", "[context]") {
  auto [ctx, cancel] = with_timeout(background(), std::chrono::hours::max());
  CHECK(ctx.err() == context_error::none);
  CHECK(ctx.deadline() == std::nullopt);
  auto [wall, cancel_wall] = with_deadline(background(), std::chrono::system_clock::now() + 1h);
  CHECK(wall.deadline().has_value());
  auto [odd, cancel_odd] = with_timeout(background(), std::chrono::duration<double>(0.001));
  CHECK_FALSE(odd.done().recv());
}

TEST_CASE("TestCanceledTimeout: a cancel leaves no timer", "[context]") {
  weft::run([] {
    auto [ctx, cancel] = with_timeout(background(), 1h);
    CHECK(weft::stats().timers == 1);
    cancel();
    CHECK(weft::stats().timers == 0);
    CHECK(ctx.err() == context_error::cancelled);
    { auto dropped = with_timeout(background(), 1h); }
    CHECK(weft::stats().timers == 0);
    auto [parent, cancel_parent] = with_cancel(background());
    auto [child, cancel_child] = with_timeout(parent, 1h);
    CHECK(weft::stats().timers == 1);
    cancel_parent();
    CHECK(weft::stats().timers == 0);
    CHECK(weft::num_goroutines() == 1);
  });
}

TEST_CASE("TestValues", "[context]") {
  const context empty = background();
  const context c1 = with_value(empty, number, 1);
  const context c2 = with_value(c1, text, "two");
  const context c3 = with_value(c2, number, 3);
  CHECK(c1.value(number) != nullptr);
  CHECK(*c1.value(number) == 1);
  CHECK(c1.value(text) == nullptr);
  CHECK(c1.value(other_number) == nullptr);  // the same type, another key
  CHECK(*c2.value(number) == 1);
  CHECK(*c2.value(text) == "two");
  CHECK(*c3.value(number) == 3);
  CHECK(*c3.value(text) == "two");
  CHECK(*c2.value(number) == 1);
  CHECK(empty.value(number) == nullptr);
  auto [child, cancel] = with_cancel(c3);
  CHECK(*child.value(number) == 3);
  CHECK(child.value(text) == c2.value(text));
  CHECK(without_cancel(child).value(text) == c2.value(text));
  CHECK_FALSE(c3.done());
  CHECK(c3.err() == context_error::none);
  static const weft::key<std::unique_ptr<int>> owned;
  const context moved = with_value(background(), owned, std::make_unique<int>(5));
  CHECK(**moved.value(owned) == 5);
}

TEST_CASE("values live as long as a context that has them", "[context]") {
  static const weft::key<std::shared_ptr<int>> shared;
  auto value = std::make_shared<int>(1);
  std::weak_ptr<int> seen = value;
  context last;
  {
    auto [ctx, cancel] = with_cancel(with_value(background(), shared, std::move(value)));
    last = with_value(ctx, number, 1);
  }
  CHECK_FALSE(seen.expired());
  CHECK(*last.value(shared) == seen.lock());
  last = {};
  CHECK(seen.expired());
}

TEST_CASE("TestWithoutCancel", "[context]") {
  weft::run([] {
    auto [ctx, cancel] = with_timeout(with_value(background(), text, "kept"), 1h);
    context free = without_cancel(ctx);
    CHECK_FALSE(free.done());
    CHECK(free.deadline() == std::nullopt);
    CHECK_FALSE(free.stop_token().stop_possible());
    auto [child, cancel_child] = with_cancel(free);
    cancel();
    CHECK(free.err() == context_error::none);
    CHECK(free.cause() == nullptr);
    CHECK(child.err() == context_error::none);
    CHECK(*child.value(text) == "kept");
    CHECK((without_cancel(background()).err() == context_error::none));
    cancel_child();
    CHECK(child.err() == context_error::cancelled);
  });
}

TEST_CASE("done() wakes all that wait: goroutines, threads, selects", "[context]") {
  auto [ctx, cancel] = with_cancel(background());
  std::thread thread([ctx = ctx] { ctx.done().recv(); });
  weft::run([&, &ctx = ctx, &cancel = cancel] {
    weft::wait_group group;
    std::atomic<int> woken = 0;
    for (int i = 0; i < 6; ++i) {
      group.go([&, i] {
        if (i % 2 == 0) {
          if (!ctx.done().recv()) ++woken;
        } else {
          if (weft::select(weft::on_recv(ctx.done()), weft::on_timeout(1h)) == 0) ++woken;
        }
        if (ctx.err() != context_error::cancelled) woken = -100;
      });
    }
    weft_test::until_parked(6);
    cancel();
    group.wait();
    CHECK(woken == 6);
  });
  thread.join();
}

TEST_CASE("whoever sees done closed sees the error, and the other way round", "[context]") {
  const int rounds = weft_test::scaled(3000);
  std::atomic<int> wrong = 0;
  weft::run([&] {
    for (int i = 0; i < rounds; ++i) {
      auto [ctx, cancel] = with_cancel(background());
      if (i % 2 == 0) (void)ctx.done();
      weft::wait_group group;
      group.go([&wrong, ctx = ctx] {
        while (ctx.err() == context_error::none) weft::yield();
        if (!is_closed(ctx.done())) ++wrong;
      });
      group.go([&wrong, ctx = ctx] {
        ctx.done().recv();
        if (ctx.err() != context_error::cancelled || ctx.cause() == nullptr) ++wrong;
      });
      if (i % 3 != 0) weft::yield();
      cancel(because("x"));
      if (!is_closed(ctx.done())) ++wrong;
      group.wait();
    }
  });
  CHECK(wrong == 0);
}

TEST_CASE("stop_token: the standard's view of a context", "[context]") {
  auto check = [] {
    auto [ctx, cancel] = with_cancel(background());
    auto token = ctx.stop_token();
    CHECK(token.stop_possible());
    CHECK_FALSE(token.stop_requested());
    CHECK(token == with_value(ctx, number, 1).stop_token());
    int called = 0;
    std::stop_callback callback(token, [&, &ctx = ctx] {
      ++called;
      if (!is_closed(ctx.done())) called = -1;  // after the channel
    });
    auto [child, cancel_child] = with_cancel(ctx);
    auto child_token = child.stop_token();
    CHECK_FALSE(child_token == token);
    cancel();
    CHECK(called == 1);  // inside the cancel
    CHECK(token.stop_requested());
    CHECK(child_token.stop_requested());
    CHECK(ctx.stop_token() == token);
  };
  check();
  weft::run(check);
}

TEST_CASE("a stop_callback may use weft: the cancel holds no lock, and a deadline no worker's stack",
          "[context]") {
  weft::run([] {
    auto [ctx, cancel] = with_cancel(background());
    weft::chan<void> called(4);
    {
      std::stop_callback callback(ctx.stop_token(), [&, &ctx = ctx, &cancel = cancel] {
        (void)ctx.done();
        cancel();
        auto [child, cancel_child] = with_cancel(ctx);
        weft::go([called] { called.send(); });
      });
      cancel();
      called.recv();
    }
    auto [timed, cancel_timed] = with_timeout(background(), 1ms);
    weft::chan<bool> inside(1);
    {
      std::stop_callback callback(timed.stop_token(),
                                  [&] { inside.send(weft::this_goroutine::inside()); });
      CHECK(inside.recv() == true);
    }
    weft_test::until_nothing_is_left();
  });
}

TEST_CASE("a deadline after its run goes on in the default runtime", "[context]") {
  context ctx;
  weft::cancel_function cancel;
  weft::run([&] { std::tie(ctx, cancel) = with_timeout(background(), 5ms); });
  CHECK_FALSE(ctx.done().recv());
  CHECK(ctx.err() == context_error::deadline_exceeded);
}

TEST_CASE("a context in goroutines that its run's end unwinds", "[context]") {
  std::atomic<int> unwound = 0;
  context outer;
  weft::cancel_function cancel_outer;
  std::tie(outer, cancel_outer) = with_cancel(background());
  weft::run([&] {
    for (int i = 0; i < 4; ++i) {
      weft::go([&] {
        auto [ctx, cancel] = with_timeout(outer, 1h);
        struct at_end {
          std::atomic<int>& n;
          context ctx;
          ~at_end() {
            weft::exit_guard guard;
            auto [brief, cancel_brief] = with_timeout(ctx, 1ms);
            brief.done().recv();  // a deadline passes while the run unwinds
            if (brief.err() == context_error::deadline_exceeded) ++n;
          }
        } at_end{unwound, ctx};
        ctx.done().recv();
      });
    }
    weft_test::until_parked(4);
  });
  CHECK(unwound == 4);
  CHECK(outer.err() == context_error::none);
}
