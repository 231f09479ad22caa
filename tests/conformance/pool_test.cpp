// pool: Go's sync/pool_test.go where it has one.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <concepts>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

TEST_CASE("TestPool: what was put is got again", "[pool]") {
  weft::run({.workers = 1}, [] {
    int made = 0;
    weft::pool<std::string> p([&] {
      ++made;
      return std::string("new");
    });
    CHECK(p.get() == "new");
    CHECK(made == 1);
    p.put("a");
    p.put("b");
    CHECK(p.get() == "b");  // the last first
    CHECK(p.get() == "a");
    CHECK(made == 1);
    CHECK(p.get() == "new");
    CHECK(made == 2);
  });
}

TEST_CASE("what one puts another gets, from wherever", "[pool]") {
  std::atomic<int> made = 0;
  weft::pool<std::unique_ptr<int>> p([&] { return std::make_unique<int>(++made); });
  p.put(std::make_unique<int>(42));
  weft::run([&] {
    weft::spawn([&] {
      auto object = p.get();
      CHECK(*object == 42);
      p.put(std::move(object));
    }).get();
  });
  std::thread([&] { CHECK(*p.get() == 42); }).join();
  CHECK(made == 0);
  CHECK(*p.get() == 1);
}

TEST_CASE("a pool keeps a bounded number and destroys the rest", "[pool]") {
  struct counted {
    std::atomic<int>* alive;
    explicit counted(std::atomic<int>* a) : alive(a) { ++*alive; }
    counted(counted&& other) noexcept : alive(other.alive) { ++*alive; }
    counted& operator=(counted&&) = default;
    ~counted() { --*alive; }
  };
  std::atomic<int> alive = 0;
  {
    weft::pool<counted> p([&] { return counted(&alive); });
    for (int i = 0; i < 1000; ++i) p.put(counted(&alive));
    CHECK(alive > 0);
    CHECK(alive <= 256);
    const int kept = alive;
    std::vector<counted> taken;
    for (int i = 0; i < kept; ++i) taken.push_back(p.get());
    CHECK(alive == kept);
  }
  CHECK(alive == 0);
}

TEST_CASE("TestPoolStress: an object has one owner", "[pool]") {
  const int each = weft_test::scaled(3000);
  struct object {
    int users = 0;  // not atomic: the pool orders them
  };
  std::atomic<int> wrong = 0;
  weft::pool<std::unique_ptr<object>> p([] { return std::make_unique<object>(); });
  const auto use = [&] {
    for (int i = 0; i < each; ++i) {
      auto o = p.get();
      if (++o->users != 1) ++wrong;
      if (i % 32 == 0) weft::yield();
      --o->users;
      p.put(std::move(o));
    }
  };
  std::thread outside(use);
  weft::run([&] {
    weft::wait_group group;
    for (int g = 0; g < 8; ++g) group.go(use);
    group.wait();
  });
  outside.join();
  CHECK(wrong == 0);
}

TEST_CASE("a factory that throws, one that waits, one that cannot be copied", "[pool]") {
  weft::run([] {
    int calls = 0;
    weft::pool<int> p([&]() -> int {
      weft::yield();
      if (++calls == 1) throw std::runtime_error("factory");
      return calls;
    });
    CHECK_THROWS_AS(p.get(), std::runtime_error);
    CHECK(p.get() == 2);
    weft::pool<int> q([n = std::make_unique<int>(5)] { return *n; });
    CHECK(q.get() == 5);
    weft::pool deduced([] { return std::string("x"); });
    static_assert(std::same_as<decltype(deduced.get()), std::string>);
    CHECK(deduced.get() == "x");
  });
}
