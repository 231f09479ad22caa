// coro<R>: results, exceptions, nesting; go and spawn of coroutines.
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
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::coro;
using weft_test::at_end;
using weft_test::counted;

static_assert(std::is_nothrow_move_constructible_v<coro<int>>);
static_assert(!std::is_copy_constructible_v<coro<>>);
static_assert(std::is_same_v<decltype(weft::spawn(std::declval<coro<int>>())), weft::join_handle<int>>);
static_assert(
    std::is_same_v<decltype(weft::spawn(std::declval<coro<> (*)(int)>(), 1)), weft::join_handle<>>);

namespace {

struct ending : std::runtime_error {
  using std::runtime_error::runtime_error;
};

coro<int> number(int n) { co_return n; }
coro<> nothing() { co_return; }
coro<int> failing(bool wait) {
  if (wait) co_await weft::async_sleep_for(1ms);
  throw ending("failed");
}
coro<int> sum_to(int n) {
  int sum = 0;
  for (int i = 1; i <= n; ++i) sum += co_await number(i);
  co_return sum;
}
coro<long> depth_of(int n) {
  if (n == 0) co_return 0;
  co_return 1 + co_await depth_of(n - 1);
}
coro<long> depth_of_waiting(int n, weft::chan<void> c) {
  if (n == 0) {
    co_await c.async_recv();
    co_return 0;
  }
  co_return 1 + co_await depth_of_waiting(n - 1, c);
}

}  // namespace

TEST_CASE("spawn of a coroutine gives its result", "[coro]") {
  CHECK(weft::spawn(number(3)).get() == 3);
  CHECK(weft::spawn(number, 4).get() == 4);
  weft::spawn(nothing()).get();
  weft::run([] {
    CHECK(weft::spawn(number(5)).get() == 5);
    CHECK(weft::spawn(sum_to, 100).get() == 5050);
    const auto h = weft::spawn(nothing);
    h.wait();
    CHECK(h.done());
  });
}

TEST_CASE("a coroutine starts when it is awaited, not before", "[coro]") {
  weft::run([] {
    int begun = 0;
    auto begin = [&]() -> coro<> {
      ++begun;
      co_return;
    };
    {
      coro<> never = begin();
      CHECK(begun == 0);
    }
    CHECK(begun == 0);
    auto outer = [&]() -> coro<> {
      coro<> later = begin();
      co_await number(1);
      CHECK(begun == 0);
      co_await later;
      CHECK(begun == 1);
      co_await std::move(later);
    };
    CHECK_THROWS_AS(weft::spawn(outer()).get(), std::logic_error);
    CHECK(begun == 1);
  });
}

TEST_CASE("awaiting an empty coroutine throws logic_error", "[coro]") {
  weft::run([] {
    auto outer = []() -> coro<> {
      coro<int> empty;
      co_await empty;
    };
    CHECK_THROWS_AS(weft::spawn(outer).get(), std::logic_error);
    CHECK_THROWS_AS(weft::spawn(coro<int>()).get(), weft::no_result);
    weft::go(coro<>());
  });
}

TEST_CASE("results that are move-only, large, references, or without a default", "[coro]") {
  weft::run({.stack_size = 512 << 10}, [] {
    auto unique = []() -> coro<std::unique_ptr<int>> {
      co_await weft::async_sleep_for(0ms);
      co_return std::make_unique<int>(7);
    };
    CHECK(*weft::spawn(unique).get() == 7);
    auto via = [&]() -> coro<weft_test::no_default> {
      std::unique_ptr<int> p = co_await unique();
      co_return weft_test::no_default(*p);
    };
    CHECK(weft::spawn(via).get().value == 7);
    int target = 0;
    auto reference = [&]() -> coro<int&> { co_return target; };
    auto through = [&]() -> coro<int&> {
      int& r = co_await reference();
      r = 8;
      co_return r;
    };
    CHECK(&weft::spawn(through).get() == &target);
    CHECK(target == 8);
    auto large = []() -> coro<weft_test::large> { co_return weft_test::large(9); };
    CHECK(weft::spawn(large).get().whole(9));
    auto aligned = []() -> coro<int> {
      auto make = []() -> coro<std::string> { co_return std::string(100, 'x'); };
      co_return static_cast<int>((co_await make()).size());
    };
    CHECK(weft::spawn(aligned).get() == 100);
  });
}

TEST_CASE("what a coroutine throws comes out of the co_await and of get()", "[coro]") {
  weft::run([] {
    for (const bool wait : {false, true}) {
      CHECK_THROWS_AS(weft::spawn(failing(wait)).get(), ending);
      CHECK_THROWS_AS(weft::spawn(failing, wait).get(), ending);
      auto outer = [wait]() -> coro<std::string> {
        try {
          co_await failing(wait);
        } catch (const ending& e) {
          co_return e.what();
        }
        co_return "no";
      };
      CHECK(weft::spawn(outer).get() == "failed");
      auto nested = [wait]() -> coro<> { (void)co_await failing(wait); };
      CHECK_THROWS_AS(weft::spawn(nested).get(), ending);
    }
  });
}

TEST_CASE("what a coroutine throws that go started is uncaught", "[coro]") {
  std::atomic<int> uncaught = 0;
  auto handler = [&](std::exception_ptr e, std::string_view) {
    try {
      std::rethrow_exception(e);
    } catch (const ending&) {
      ++uncaught;
    }
  };
  weft::run({.on_uncaught = handler}, [&] {
    weft::go(failing(false));
    weft::go(failing(true));
    weft::go([] { return failing(true); });
    weft::wait_group group;
    group.go(failing(true));
    group.go([]() -> coro<> { (void)co_await failing(true); });
    group.wait();
    while (uncaught < 5) weft::sleep_for(1ms);
  });
  CHECK(uncaught == 5);
}

TEST_CASE("the callable and its arguments live as long as the coroutine", "[coro]") {
  counted::reset();
  const int before = counted::alive;
  weft::run([&] {
    auto body = [big = std::array<char, 100>{1}, value = counted(5)](const counted& argument,
                                                                     int n) -> coro<int> {
      co_await weft::async_sleep_for(1ms);
      co_return value.value + argument.value + n + big[0];
    };
    CHECK(weft::spawn(body, counted(6), 7).get() == 19);
    weft::wait_group group;
    std::atomic<int> seen = 0;
    group.go([&seen, value = counted(5)]() -> coro<> {
      co_await weft::async_sleep_for(1ms);
      seen = value.value;
    });
    group.wait();
    CHECK(seen == 5);
    weft::chan<int> result;
    weft::go([result, value = counted(6)](counted argument) -> coro<> {
      co_await weft::async_sleep_for(1ms);
      co_await result.async_send(value.value + argument.value);
    }, counted(1));
    CHECK(result.recv() == 7);
    while (weft::num_goroutines() > 1) weft::yield();
  });
  CHECK(counted::alive == before);
}

TEST_CASE("a handle sees the end after frame, callable and arguments are destroyed", "[coro]") {
  weft::run([] {
    for (int i = 0; i < 50; ++i) {
      auto destroyed = std::make_shared<std::atomic<int>>(0);
      struct note {
        std::shared_ptr<std::atomic<int>> count;
        explicit note(std::shared_ptr<std::atomic<int>> c) : count(std::move(c)) {}
        note(note&& other) noexcept = default;
        ~note() {
          if (count) ++*count;
        }
      };
      auto handle = weft::spawn(
          [n = note(destroyed)](note) -> coro<> {
            note local(n.count);
            co_await weft::async_sleep_for(0ms);
          },
          note(destroyed));
      handle.wait();
      CHECK(destroyed->load() == 3);
    }
  });
}

TEST_CASE("a wait group counts a coroutine until it has ended", "[coro]") {
  weft::run([] {
    std::atomic<int> ended = 0;
    weft::wait_group group;
    auto body = [&](int ms) -> coro<> {
      co_await weft::async_sleep_for(std::chrono::milliseconds(ms));
      ++ended;
    };
    for (int i = 0; i < 10; ++i) {
      group.go(body(i));
      group.go([&body, i] { return body(i); });
    }
    group.wait();
    CHECK(ended == 20);
  });
}

TEST_CASE("a loop of awaits that end at once needs no stack", "[coro]") {
  static constexpr int n = static_cast<int>(weft_test::scaled(1'000'000));
  weft::run([] {
    auto loop = []() -> coro<long> {
      long sum = 0;
      for (int i = 0; i < n; ++i) sum += co_await number(i & 1);
      co_return sum;
    };
    CHECK(weft::spawn(loop).get() == n / 2);
    // And if some wait in between.
    auto mixed = []() -> coro<long> {
      long sum = 0;
      weft::chan<int> c(1);
      auto wait = [&c](int i) -> coro<int> {
        if (i % 10 == 0) co_await weft::async_sleep_for(0ms);
        co_await c.async_send(i);
        co_return *co_await c.async_recv();
      };
      for (int i = 0; i < n / 10; ++i) sum += co_await wait(i) == i ? 1 : 0;
      co_return sum;
    };
    CHECK(weft::spawn(mixed).get() == n / 10);
  });
}

TEST_CASE("deep recursion of coroutines", "[coro]") {
  // Without optimisation, and with a sanitizer, each level takes stack: no tail calls.
#if defined(__OPTIMIZE__) && !defined(WEFT_TEST_TSAN) && !defined(WEFT_TEST_ASAN)
  const int n = 1'000'000;
#else
  const int n = 50;
#endif
  weft::run([n] {
    CHECK(weft::spawn(depth_of(n)).get() == n);
    weft::chan<void> c;
    auto h = weft::spawn(depth_of_waiting(n, c));
    c.send();
    CHECK(h.get() == n);
  });
}

TEST_CASE("a coroutine of any type awaits a coro", "[coro]") {
  weft::run([] {
    weft::chan<int> result(3);
    auto user = [](weft::chan<int> out, bool wait) -> weft_test::fire_and_forget {
      if (wait) co_await weft::async_sleep_for(1ms);
      co_await out.async_send(co_await sum_to(10));
      int caught = 0;
      try {
        co_await failing(wait);
      } catch (const ending&) {
        caught = -1;
      }
      co_await out.async_send(caught);
    };
    for (const bool wait : {false, true}) {
      user(result, wait);
      CHECK(result.recv() == 55);
      CHECK(result.recv() == -1);
    }
  });
}

TEST_CASE("exit_goroutine ends a coroutine, and its handle gives no_result", "[coro]") {
  weft::run([] {
    int unwound = 0;
    auto inner = [&]() -> coro<int> {
      at_end note([&] { ++unwound; });
      co_await weft::async_sleep_for(0ms);
      weft::exit_goroutine();
    };
    auto outer = [&]() -> coro<int> {
      at_end note([&] { ++unwound; });
      co_return co_await inner();
    };
    CHECK_THROWS_AS(weft::spawn(outer()).get(), weft::no_result);
    CHECK(unwound == 2);
    weft::wait_group group;
    group.go(outer);
    group.wait();
    CHECK(unwound == 4);
  });
}

TEST_CASE("a plain wait in a coroutine parks its goroutine", "[coro]") {
  weft::run({.workers = 1}, [] {
    weft::chan<int> c;
    auto body = [c]() -> coro<int> {
      CHECK(weft::this_goroutine::inside());
      const int first = *c.recv();
      co_await weft::async_sleep_for(1ms);
      CHECK(weft::this_goroutine::inside());
      weft::sleep_for(1ms);
      co_return first + *c.recv();
    };
    auto h = weft::spawn(body);
    c.send(1);
    c.send(2);
    CHECK(h.get() == 3);
  });
}

TEST_CASE("coroutines start on a runtime of one's own and on the default one", "[coro]") {
  weft::runtime own({.workers = 2});
  weft::chan<int> c;
  own.go([](weft::chan<int> out) -> coro<> {
    co_await weft::async_sleep_for(1ms);
    co_await out.async_send(1);
  }(c));
  CHECK(c.recv() == 1);
  own.go([c]() -> coro<> { co_await c.async_send(2); });
  CHECK(c.recv() == 2);
  weft::go([](weft::chan<int> out) -> coro<> { co_await out.async_send(3); }(c));
  CHECK(c.recv() == 3);
}

TEST_CASE("temporaries in a co_await are made and destroyed once", "[coro]") {
  counted::reset();
  const int before = counted::alive;
  weft::run([] {
    weft::chan<counted> c(4);
    auto body = [c]() -> coro<int> {
      co_await c.async_send(counted(1));
      counted lvalue(2);
      co_await c.async_send(lvalue);
      co_await c.async_send(std::move(lvalue));
      auto later = c.async_send(counted(3));
      co_await std::move(later);
      int sum = 0;
      for (int i = 0; i < 4; ++i) sum = sum * 10 + (co_await c.async_recv())->value;
      co_return sum;
    };
    CHECK(weft::spawn(body).get() == 1223);
    auto pass = [](counted by_value, const counted& by_reference) -> coro<counted> {
      co_await weft::async_sleep_for(0ms);
      co_return counted(by_value.value + by_reference.value);
    };
    auto call = [&]() -> coro<int> { co_return (co_await pass(counted(3), counted(4))).value; };
    CHECK(weft::spawn(call).get() == 7);
  });
  CHECK(counted::alive == before);
}
