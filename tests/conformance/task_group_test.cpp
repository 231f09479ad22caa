// Task groups: Go's errgroup_test.go where there is one.
#include "collect.hpp"
#include "left_over.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::background;
using weft::context_error;
using weft::task_group;

static_assert(std::is_constructible_v<task_group, weft::context>);
static_assert(!std::is_convertible_v<weft::context, task_group>);
static_assert(!std::is_copy_constructible_v<task_group>);
static_assert(std::is_same_v<decltype(std::declval<task_group&>().ctx()), weft::context>);

namespace {

std::string message_of(task_group& group) {
  try {
    group.wait();
  } catch (const std::runtime_error& e) {
    return e.what();
  }
  return "";
}
std::string message_of(const std::exception_ptr& p) {
  try {
    if (p) std::rethrow_exception(p);
  } catch (const std::runtime_error& e) {
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("TestZeroGroup: wait rethrows the first exception, each time", "[task_group]") {
  auto check = [] {
    const std::vector<std::vector<const char*>> cases = {
        {}, {nullptr}, {"one"}, {"one", nullptr}, {"one", nullptr, "two"}};
    for (const auto& throws : cases) {
      task_group group;
      std::string first;
      for (const char* what : throws) {
        group.go([what] {
          if (what != nullptr) throw std::runtime_error(what);
        });
        if (what != nullptr && first.empty()) first = what;
        CHECK(message_of(group) == first);
      }
      CHECK(message_of(group) == first);
    }
  };
  check();
  weft::run([&] {
    check();
    weft_test::until_nothing_is_left();
  });
}

TEST_CASE("TestWithContext: the first exception cancels ctx() and is its cause", "[task_group]") {
  auto check = [] {
    static const weft::key<int> key;
    task_group group(weft::with_value(background(), key, 7));
    CHECK(*group.ctx().value(key) == 7);
    std::atomic<int> saw = 0;
    for (int i = 0; i < 3; ++i) {
      group.go([&saw, ctx = group.ctx()] {
        ctx.done().recv();
        if (message_of(ctx.cause()) == "first") ++saw;
        throw std::runtime_error("second");
      });
    }
    CHECK(group.ctx().err() == context_error::none);
    group.go([] { throw std::runtime_error("first"); });
    CHECK(message_of(group) == "first");
    CHECK(saw == 3);  // wait returned after all have ended
    CHECK(group.ctx().err() == context_error::cancelled);
    CHECK(message_of(group.ctx().cause()) == "first");
  };
  check();
  weft::run(check);
}

TEST_CASE("without an exception ctx() goes on and the group may be used again", "[task_group]") {
  weft::run([] {
    task_group group;
    std::atomic<int> ran = 0;
    for (int round = 1; round <= 3; ++round) {
      for (int i = 0; i < 10; ++i) group.go([&] { ++ran; });
      group.wait();
      CHECK(ran == 10 * round);
      CHECK(group.ctx().err() == context_error::none);
    }
    group.wait();
    // After an exception it goes on, too, with a context that is done.
    group.go([] { throw std::runtime_error("x"); });
    CHECK(message_of(group) == "x");
    group.go([&, ctx = group.ctx()] {
      if (ctx.err() == context_error::cancelled) ++ran;
    });
    CHECK(message_of(group) == "x");
    CHECK(ran == 31);
  });
}

TEST_CASE("the parent's cancel reaches the tasks; the group's never the parent", "[task_group]") {
  weft::run([] {
    auto [parent, cancel] = weft::with_cancel(background());
    {
      task_group group(parent);
      group.go([] { throw 1; });
      CHECK_THROWS_AS(group.wait(), int);
      CHECK(parent.err() == context_error::none);
    }
    task_group group(parent);
    group.go([ctx = group.ctx()] { ctx.done().recv(); });
    cancel();
    group.wait();
    CHECK(group.ctx().err() == context_error::cancelled);
    task_group late(parent);
    CHECK(late.ctx().err() == context_error::cancelled);
    std::atomic<bool> ran = false;
    late.go([&] { ran = true; });  // started all the same
    late.wait();
    CHECK(ran);
  });
}

TEST_CASE("a group destroyed without wait cancels its tasks and waits for them", "[task_group]") {
  auto check = [] {
    std::atomic<int> ended = 0;
    weft::context ctx;
    {
      task_group group;
      ctx = group.ctx();
      for (int i = 0; i < 4; ++i) {
        group.go([&ended, ctx] {
          ctx.done().recv();
          weft::yield();
          ++ended;
        });
      }
      group.go([&] {
        ++ended;
        throw std::runtime_error("dropped");
      });
    }
    CHECK(ended == 5);
    CHECK(ctx.err() == context_error::cancelled);
    // While an exception unwinds.
    try {
      task_group group;
      group.go([&ended, ctx = group.ctx()] {
        ctx.done().recv();
        ++ended;
      });
      throw std::runtime_error("outer");
    } catch (const std::runtime_error& e) {
      CHECK(std::string(e.what()) == "outer");
    }
    CHECK(ended == 6);
  };
  check();
  weft::run([&] {
    check();
    weft_test::until_nothing_is_left();
  });
}

TEST_CASE("TestGoLimit: never more than the limit at once", "[task_group]") {
  auto check = [] {
    const int limit = 3;
    task_group group;
    group.set_limit(limit);
    std::atomic<int> active = 0;
    std::atomic<int> most = 0;
    const int count = int(weft_test::scaled(1000));
    for (int i = 0; i <= count; ++i) {
      group.go([&] {
        const int now = ++active;
        int before = most;
        while (before < now && !most.compare_exchange_weak(before, now)) {
        }
        weft::yield();
        --active;
      });
    }
    group.wait();
    CHECK(most <= limit);
    CHECK(most > 0);
    CHECK(active == 0);
  };
  check();
  weft::run(check);
}

TEST_CASE("a go that waits for a place: several at once, first come first served", "[task_group]") {
  weft::run([] {
    task_group group;
    group.set_limit(1);
    weft::chan<void> hold;
    group.go([=] { hold.recv(); });
    weft::chan<int> order(4);
    std::vector<weft::join_handle<>> starters;
    for (int i = 0; i < 4; ++i) {
      starters.push_back(weft::spawn([&, i] { group.go([=] { order.send(i); }); }));
      weft_test::until_parked(std::size_t(i) + 2);
    }
    CHECK_FALSE(group.try_go([] {}));
    hold.send();
    for (auto& s : starters) s.wait();
    group.wait();
    for (int i = 0; i < 4; ++i) CHECK(order.recv() == i);
  });
}

TEST_CASE("TestTryGo", "[task_group]") {
  weft::run([] {
    task_group group;
    const int n = 10;
    group.set_limit(n);
    weft::chan<void> go_on;
    std::atomic<int> ran = 0;
    for (int i = 0; i < n; ++i) {
      CHECK(group.try_go([&, go_on] {
        go_on.recv();
        ++ran;
      }));
    }
    CHECK_FALSE(group.try_go([&] { ++ran; }));
    // What was not started was not touched.
    struct owner {
      std::unique_ptr<int> own;
      void operator()() const {}
    } task{std::make_unique<int>(1)};
    CHECK_FALSE(group.try_go(std::move(task)));
    CHECK(task.own != nullptr);
    for (int i = 0; i < n; ++i) go_on.send();
    group.wait();
    CHECK(ran == n);
    CHECK(group.try_go([&] { ++ran; }));
    group.wait();
    CHECK(ran == n + 1);
    group.set_limit(1);
    CHECK(group.try_go([=] { go_on.recv(); }));
    CHECK_FALSE(group.try_go([] {}));
    go_on.send();
    group.wait();
    group.set_limit(-1);
    for (int i = 0; i < 5; ++i) CHECK(group.try_go([=] { go_on.recv(); }));
    for (int i = 0; i < 5; ++i) go_on.send();
    group.wait();
    // 0: none at all.
    group.set_limit(0);
    CHECK_FALSE(group.try_go([] {}));
  });
}

TEST_CASE("a limit of 0 makes go wait for ever", "[task_group]") {
  bool started = false;
  std::atomic<bool> left = false;
  weft::run([&] {
    auto group = std::make_shared<task_group>();
    group->set_limit(0);
    weft::go([&left, &started, group] {
      try {
        group->go([&] { started = true; });
      } catch (const weft::goroutine_exit&) {
        left = true;
        throw;
      }
    });
    weft_test::until_parked(1);
  });
  CHECK(left);
  CHECK_FALSE(started);
}

TEST_CASE("set_limit while tasks run throws std::logic_error", "[task_group]") {
  weft::run([] {
    task_group group;
    weft::chan<void> hold;
    group.set_limit(2);
    group.go([=] { hold.recv(); });
    CHECK_THROWS_AS(group.set_limit(3), std::logic_error);
    CHECK_THROWS_AS(group.set_limit(-1), std::logic_error);
    hold.send();
    group.wait();
    group.set_limit(3);
  });
}

TEST_CASE("tasks: move-only, large, with a result; they may start others", "[task_group]") {
  weft::run([] {
    task_group group;
    std::atomic<int> sum = 0;
    group.go([&, own = std::make_unique<int>(1)]() mutable { sum += *own; });
    group.go([&, big = std::array<char, 500>{}] {
      sum += 10;
      return big.size();
    });
    auto by_name = [&] { sum += 100; };
    group.go(by_name);
    group.go([&] {
      for (int i = 0; i < 3; ++i) group.go([&] { sum += 1000; });
    });
    group.wait();
    CHECK(sum == 3111);
  });
}

TEST_CASE("coroutines as tasks", "[task_group][coro]") {
  auto check = [] {
    task_group group;
    group.set_limit(2);
    weft::chan<int> c;
    int got = 0;
    group.go([](weft::chan<int> from, int& into) -> weft::coro<> {
      into = *co_await from.async_recv();
    }(c, got));
    group.go([c]() -> weft::coro<> { co_await c.async_send(5); });
    group.wait();
    CHECK(got == 5);
    group.go([]() -> weft::coro<int> {
      throw std::runtime_error("from a coroutine");
      co_return 1;
    });
    group.go([c, ctx = group.ctx()]() -> weft::coro<> {
      const std::size_t chosen =
          co_await weft::async_select(weft::on_recv(c), weft::on_done(ctx, [] {}));
      if (chosen != 1) throw 1;
    });
    CHECK(message_of(group) == "from a coroutine");
    CHECK(message_of(group.ctx().cause()) == "from a coroutine");
  };
  check();
  weft::run([&] {
    check();
    weft_test::until_nothing_is_left();
  });
}

TEST_CASE("exit_goroutine in a task is no error", "[task_group]") {
  weft::run([] {
    task_group group;
    group.go([] { weft::exit_goroutine(); });
    group.wait();
    CHECK(group.ctx().err() == context_error::none);
  });
}

TEST_CASE("the callable is destroyed before wait returns", "[task_group]") {
  const std::size_t rounds = weft_test::scaled(1000);
  weft::run([&] {
    int wrong = 0;
    for (std::size_t i = 0; i < rounds; ++i) {
      auto own = std::make_shared<int>(1);
      std::weak_ptr<int> seen = own;
      task_group group;
      group.go([own = std::move(own)] {});
      group.wait();
      if (!seen.expired()) ++wrong;
    }
    CHECK(wrong == 0);
  });
}

TEST_CASE("a task that never started counts as ended", "[task_group]") {
  // The run ends with tasks that nobody has started; the group is destroyed by who unwinds.
  std::atomic<int> started = 0;
  auto own = std::make_shared<int>(1);
  std::weak_ptr<int> seen = own;
  std::atomic<bool> destroyed = false;
  weft::run(weft::options{.workers = 1}, [&] {
    weft::go([&, own = std::move(own)] {
      struct at_end {
        std::atomic<bool>& flag;
        ~at_end() { flag = true; }
      } after{destroyed};
      task_group group;
      weft::chan<void> never;
      group.go([=] { never.recv(); });
      while (weft::stats().parked < 1) weft::yield();
      for (int i = 0; i < 5; ++i) group.go([&started, own] { ++started; });
      weft::chan<void>().recv();
    });
    while (weft::num_goroutines() < 8) weft::yield();
  });
  CHECK(destroyed);
  CHECK(seen.expired());
}

TEST_CASE("wait of a group whose run ends", "[task_group]") {
  std::atomic<int> unwound = 0;
  weft::run([&] {
    weft::go([&] {
      task_group group;
      group.go([&] {
        struct at_end {
          std::atomic<int>& n;
          ~at_end() { ++n; }
        } at_end{unwound};
        weft::chan<void>().recv();
      });
      try {
        group.wait();
      } catch (const weft::goroutine_exit&) {
        ++unwound;
        throw;
      }
    });
    weft_test::until_parked(2);
  });
  CHECK(unwound == 2);
}

TEST_CASE("the group may go as soon as wait has returned", "[task_group]") {
  const std::size_t rounds = weft_test::scaled(3000);
  weft::run([&] {
    for (std::size_t i = 0; i < rounds; ++i) {
      auto group = std::make_unique<task_group>();
      for (int t = 0; t < 3; ++t) group->go([] {});
      if (i % 2 == 0) group->wait();
      group.reset();
    }
    SUCCEED();
  });
}

TEST_CASE("a group in plain threads", "[task_group][threads]") {
  task_group group;
  group.set_limit(2);
  std::atomic<int> ran = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 20; ++k) group.go([&] { ++ran; });
    });
  }
  for (auto& t : threads) t.join();
  group.wait();
  CHECK(ran == 60);
}

TEST_CASE("task group: a task may be a coroutine", "[task_group]") {
  weft::run([] {
    weft::chan<int> c;
    std::atomic<int> sum = 0;
    weft::task_group g;
    for (int i = 0; i < 3; ++i) {
      g.go([c, &sum]() -> weft::coro<> {
        std::optional<int> v = co_await c.async_recv();
        sum += *v;
      });
    }
    const auto last = [](weft::chan<int> from, std::atomic<int>& to) -> weft::coro<int> {
      to += *co_await from.async_recv();
      co_return 1;
    };
    CHECK(g.try_go(last(c, sum)));
    for (int i = 1; i <= 4; ++i) c.send(i);
    g.wait();
    CHECK(sum == 10);

    weft::task_group failing;
    failing.go([c]() -> weft::coro<> {
      co_await c.async_recv();
      throw std::runtime_error("from a coroutine");
    });
    c.send(1);
    CHECK_THROWS_WITH(failing.wait(), "from a coroutine");
    CHECK(failing.ctx().err() == weft::context_error::cancelled);
  });
}
