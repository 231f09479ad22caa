// once and once_value: Go's sync/once_test.go and oncefunc_test.go where they have one.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft_test::until_parked;

TEST_CASE("TestOnce", "[once]") {
  weft::once first;
  int ran = 0;
  weft::run([&] {
    weft::wait_group group;
    weft_test::notes wrong;
    for (int i = 0; i < 10; ++i) {
      group.go([&] {
        first.call([&] { ++ran; });
        wrong.expect(ran == 1, "call returned before the function had run");
      });
    }
    group.wait();
    CHECK(wrong.text().empty());
  });
  first.call([&] { ++ran; });
  CHECK(ran == 1);
}

TEST_CASE("once passes arguments and takes a move-only function", "[once]") {
  weft::once o;
  int got = 0;
  o.call([p = std::make_unique<int>(40), &got](int a, const std::string& b) {
    got = *p + a + int(b.size());
  }, 1, "x");
  CHECK(got == 42);
}

TEST_CASE("the others wait until the function has returned", "[once]") {
  weft::once o;
  std::atomic<bool> finished = false;
  std::atomic<int> early = 0;
  std::atomic<int> ran = 0;
  std::atomic<int> through = 0;
  weft::chan<void> go_on;
  std::thread outside;
  weft::run([&] {
    const auto use = [&] {
      o.call([&] {
        ++ran;
        go_on.recv();  // waiting inside is fine
        finished = true;
      });
      if (!finished) ++early;
      ++through;
    };
    weft::wait_group group;
    for (int i = 0; i < 8; ++i) group.go(use);
    outside = std::thread(use);
    until_parked(8);
    CHECK(through == 0);
    go_on.send();
    group.wait();
  });
  outside.join();
  CHECK(ran == 1);
  CHECK(early == 0);
  CHECK(through == 9);
}

TEST_CASE("TestOncePanic: after a throw the next call runs again", "[once]") {
  weft::once o;
  int ran = 0;
  for (int i = 0; i < 2; ++i) {
    CHECK_THROWS_AS(o.call([&] {
      ++ran;
      throw std::runtime_error("no");
    }),
                    std::runtime_error);
  }
  o.call([&] { ++ran; });
  o.call([&] { ++ran; });
  CHECK(ran == 3);
}

TEST_CASE("a throw hands the function over to one that waits", "[once]") {
  weft::run([] {
    weft::once o;
    weft::chan<void> go_on;
    const int n = 6;
    std::atomic<int> ran = 0;
    std::atomic<int> threw = 0;
    weft::wait_group group;
    for (int i = 0; i < n; ++i) {
      group.go([&] {
        try {
          o.call([&] {
            go_on.recv();
            if (++ran < 4) throw 1;
          });
        } catch (int) {
          ++threw;
        }
      });
    }
    until_parked(n);
    for (int i = 0; i < 4; ++i) go_on.send();
    group.wait();
    CHECK(ran == 4);
    CHECK(threw == 3);
  });
}

TEST_CASE("calling a once from its own function throws, and another once works", "[once]") {
  const auto body = [] {
    weft::once o;
    weft::once inner;
    int ran = 0;
    CHECK_THROWS_AS(o.call([&] { o.call([&] { ++ran; }); }), std::logic_error);
    o.call([&] { inner.call([&] { ++ran; }); });
    o.call([&] { ++ran; });
    CHECK(ran == 1);
    weft::once caught;
    caught.call([&] {
      try {
        caught.call([] {});
      } catch (const std::logic_error&) {
        ++ran;
      }
    });
    CHECK(ran == 2);
  };
  body();
  weft::run(body);
}

TEST_CASE("a once left by the run's end can be called again", "[once][end]") {
  weft::once o;
  int ran = 0;
  weft::run([&] {
    weft::go([&] { o.call([] { weft::chan<int>().recv(); }); });
    until_parked(1);
    weft::go([&] { o.call([] {}); });
    until_parked(2);
  });
  // Both waits were decided before the first unwound: neither function has succeeded.
  o.call([&] { ++ran; });
  CHECK(ran == 1);
  o.call([&] { ++ran; });
  CHECK(ran == 1);
}

TEST_CASE("TestOnceValue", "[once_value]") {
  int calls = 0;
  auto value = weft::once_value([&] {
    ++calls;
    return std::string("expensive");
  });
  CHECK(calls == 0);
  const std::string& a = value();
  const std::string& b = value();
  CHECK(a == "expensive");
  CHECK(&a == &b);
  CHECK(calls == 1);
  std::function<std::string()> erased = value;  // copies share the value
  CHECK(erased() == "expensive");
  CHECK(calls == 1);
}

TEST_CASE("TestOnceValuePanic: after a throw the next call runs again", "[once_value]") {
  int calls = 0;
  auto value = weft::once_value([&] {
    if (++calls < 3) throw std::runtime_error("not yet");
    return calls;
  });
  CHECK_THROWS_AS(value(), std::runtime_error);
  CHECK_THROWS_AS(value(), std::runtime_error);
  CHECK(value() == 3);
  CHECK(value() == 3);
}

TEST_CASE("once_value: references, nothing, move-only results and functions", "[once_value]") {
  int there = 1;
  auto reference = weft::once_value([&]() -> int& { return there; });
  static_assert(std::is_same_v<decltype(reference()), int&>);
  reference() = 7;
  CHECK(there == 7);
  CHECK(&reference() == &there);

  int calls = 0;
  auto nothing = weft::once_value([&] { ++calls; });
  static_assert(std::is_void_v<decltype(nothing())>);
  nothing();
  nothing();
  CHECK(calls == 1);

  auto pointer = weft::once_value([p = std::make_unique<int>(5)]() mutable { return std::move(p); });
  CHECK(*pointer() == 5);
  CHECK(*pointer() == 5);
}

TEST_CASE("once_value destroys its function once it has succeeded", "[once_value]") {
  auto token = std::make_shared<int>(1);
  auto value = weft::once_value([token] { return *token; });
  CHECK(token.use_count() == 2);
  CHECK(value() == 1);
  CHECK(token.use_count() == 1);
}

TEST_CASE("TestOnceXGC: many callers of one once_value", "[once_value]") {
  const int rounds = weft_test::scaled(300);
  std::atomic<int> wrong = 0;
  weft::run([&] {
    for (int i = 0; i < rounds; ++i) {
      std::atomic<int> calls = 0;
      auto value = weft::once_value([&calls, i] {
        ++calls;
        weft::yield();
        return std::vector<int>(10, i);
      });
      weft::wait_group group;
      for (int g = 0; g < 4; ++g) {
        group.go([&wrong, value, i] {
          if (value()[9] != i) ++wrong;
        });
      }
      group.wait();
      if (calls != 1) ++wrong;
    }
  });
  CHECK(wrong == 0);
}
