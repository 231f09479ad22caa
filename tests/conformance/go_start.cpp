// go: arguments, callables, and that it never switches.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"
#include "values.hpp"

#include <weft/weft.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace {

int plain_function(int a, int b) { return a * b; }

struct with_member {
  int base = 0;
  int plus(int x) { return base += x; }
};

// Its move may throw, and the first move or copy does once a fuse of zero is set.
struct touchy {
  explicit touchy(weft_test::fused f, std::atomic<int>* calls) : fuse(std::move(f)), ran(calls) {}
  void operator()() { ++*ran; }
  weft_test::fused fuse;
  std::atomic<int>* ran;
};

}  // namespace

TEST_CASE("arguments are decay-copied as std::thread does", "[go]") {
  weft::run([] {
    weft::chan<std::string> out(1);
    // An array becomes a pointer, an lvalue a copy, a reference_wrapper stays a reference.
    weft::go([](weft::chan<std::string> c, const char* text) { c.send(text); }, out, "literal");
    CHECK(out.recv() == "literal");

    std::string local = "before";
    weft::go([](weft::chan<std::string> c, std::string& s) { c.send(s); }, out, std::ref(local));
    CHECK(out.recv() == "before");

    std::string copied = "the copy";
    weft::go([](weft::chan<std::string> c, const std::string& s) { c.send(s); }, out, copied);
    copied = "changed afterwards";
    CHECK(out.recv() == "the copy");

    CHECK(weft::spawn(plain_function, 6, 7).get() == 42);
    CHECK(weft::spawn(&plain_function, 6, 8).get() == 48);
    with_member object;
    CHECK(weft::spawn(&with_member::plus, &object, 5).get() == 5);
    CHECK(object.base == 5);
    CHECK(weft::spawn(&with_member::plus, object, 5).get() == 10);
    CHECK(object.base == 5);
  });
}

TEST_CASE("arguments arrive as rvalues", "[go]") {
  weft::run([] {
    auto p = std::make_unique<int>(3);
    auto handle = weft::spawn([](std::unique_ptr<int> q) { return *q; }, std::move(p));
    CHECK(p == nullptr);
    CHECK(handle.get() == 3);
    auto kinds = weft::spawn(
        [](auto&& x) { return std::is_rvalue_reference_v<decltype(x)>; }, std::string("x"));
    CHECK(kinds.get());
  });
}

TEST_CASE("a callable may be called through an rvalue only", "[go]") {
  struct once {
    int operator()() && { return 11; }
  };
  CHECK(weft::run([] { return weft::spawn(once{}).get(); }) == 11);
}

TEST_CASE("move-only callables and results", "[go]") {
  weft::run([] {
    auto p = std::make_unique<int>(8);
    auto handle = weft::spawn([p = std::move(p)]() mutable { return std::move(p); });
    CHECK(*handle.get() == 8);
    auto big = weft::spawn([] { return weft_test::move_only(9); });
    CHECK(big.get().value() == 9);
  });
}

TEST_CASE("large and over-aligned callables", "[go]") {
  weft::run([] {
    std::array<int, 2000> numbers{};
    for (int i = 0; i < 2000; ++i) numbers[i] = i;
    auto sum = weft::spawn([numbers] {
      long s = 0;
      for (int n : numbers) s += n;
      return s;
    });
    CHECK(sum.get() == 1999L * 2000 / 2);
    // Sizes around every bound that an implementation may have for callables kept inline.
    auto of_size = [](auto bytes) {
      constexpr std::size_t n = decltype(bytes)::value;
      std::array<unsigned char, n> data{};
      for (std::size_t i = 0; i < n; ++i) data[i] = static_cast<unsigned char>(i * 3);
      return weft::spawn([data] {
               for (std::size_t i = 0; i < n; ++i) {
                 if (data[i] != static_cast<unsigned char>(i * 3)) return false;
               }
               return true;
             })
          .get();
    };
    [&]<std::size_t... Sizes>(std::index_sequence<Sizes...>) {
      std::array<bool, sizeof...(Sizes)> good = {
          of_size(std::integral_constant<std::size_t, Sizes * 8 + 1>())...};
      for (bool g : good) CHECK(g);
    }(std::make_index_sequence<40>());
    weft_test::over_aligned value{5};
    CHECK(weft::spawn([value] { return value.in_place() && value.value == 5; }).get());
    auto result = weft::spawn([] { return weft_test::over_aligned{6}; }).get();
    CHECK(result.in_place());
    CHECK(result.value == 6);
  });
}

TEST_CASE("a callable whose copy throws starts nothing", "[go]") {
  std::atomic<int> ran = 0;
  const int alive_before = weft_test::fused::alive;
  weft::run([&] {
    touchy callable(weft_test::fused(1), &ran);
    callable.fuse.arm(0);
    CHECK_THROWS_AS(weft::go(callable), weft_test::value_error);
    callable.fuse.arm(0);
    CHECK_THROWS_AS(weft::spawn(callable), weft_test::value_error);
    CHECK(weft::num_goroutines() == 1);
    // Its move may throw but does not.
    weft::spawn(std::move(callable)).get();
    CHECK(ran == 1);
  });
  CHECK(weft_test::fused::alive == alive_before);
  CHECK(ran == 1);
}

TEST_CASE("callables are destroyed when their goroutine ends", "[go]") {
  auto token = std::make_shared<int>(0);
  weft::run([&] {
    for (int i = 0; i < 50; ++i) weft::spawn([token] { return *token; }).get();
    while (weft::num_goroutines() > 1) weft::yield();
    CHECK(token.use_count() == 1);
    // Also what is too large to be kept inline, and arguments.
    std::array<char, 3000> ballast{};
    weft::spawn([token, ballast](auto) { return ballast[0]; }, token).get();
    while (weft::num_goroutines() > 1) weft::yield();
    CHECK(token.use_count() == 1);
  });
}

TEST_CASE("go never switches", "[go]") {
  weft::run({.workers = 1}, [] {
    for (int round = 0; round < 5; ++round) {
      std::atomic<int> ran = 0;
      for (int i = 0; i < 20; ++i) weft::go([&] { ++ran; });
      auto handle = weft::spawn([&] { ++ran; });
      CHECK(ran == 0);
      handle.get();
      while (ran < 21) weft::yield();
    }
  });
}

TEST_CASE("goroutines start goroutines", "[go]") {
  const int depth = weft_test::scaled(2000);
  weft::run([&] {
    std::function<int(int)> chain = [&](int n) -> int {
      if (n == 0) return 0;
      return 1 + weft::spawn(chain, n - 1).get();
    };
    CHECK(chain(depth) == depth);
  });
}

TEST_CASE("a goroutine may start more than it can run at once", "[go]") {
  const int count = weft_test::scaled(20000);
  weft::run([&] {
    std::atomic<int> ran = 0;
    weft::wait_group group;
    for (int i = 0; i < count; ++i) group.go([&] { ++ran; });
    group.wait();
    CHECK(ran == count);
  });
}
