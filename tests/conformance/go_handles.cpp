// spawn, join_handle, exit_goroutine, this_goroutine, yield, exceptions across waits.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using weft_test::at_end;

TEST_CASE("get returns the result once", "[go][join]") {
  weft::run([] {
    auto number = weft::spawn([] { return 5; });
    CHECK(number.get() == 5);
    CHECK_THROWS_AS(number.get(), weft::no_result);
    auto nothing = weft::spawn([] {});
    static_assert(std::is_void_v<decltype(nothing.get())>);
    nothing.get();
    CHECK_THROWS_AS(nothing.get(), weft::no_result);
  });
}

TEST_CASE("get rethrows, and a second get has no result", "[go][join]") {
  weft::run([] {
    auto h = weft::spawn([]() -> int { throw std::out_of_range("row 7"); });
    try {
      h.get();
      FAIL("get returned");
    } catch (const std::out_of_range& e) {
      CHECK(std::string(e.what()) == "row 7");
    }
    CHECK_THROWS_AS(h.get(), weft::no_result);
  });
}

TEST_CASE("wait and done", "[go][join]") {
  weft::run([] {
    weft::chan<void> release;
    auto h = weft::spawn([release] {
      release.recv();
      return 3;
    });
    CHECK_FALSE(h.done());
    release.send();
    h.wait();
    CHECK(h.done());
    h.wait();
    CHECK(h.get() == 3);
    CHECK(h.done());
  });
}

TEST_CASE("wait does not throw what the goroutine threw", "[go][join]") {
  weft::run([] {
    auto h = weft::spawn([] { throw 3; });
    h.wait();
    CHECK(h.done());
    CHECK_THROWS_AS(h.get(), int);
  });
}

TEST_CASE("dropping a handle detaches", "[go][join]") {
  weft::run([] {
    weft::chan<int> c;
    {
      auto h = weft::spawn([c] {
        c.send(1);
        return 1;
      });
    }
    CHECK(c.recv() == 1);
    auto token = std::make_shared<int>(4);
    weft::chan<void> release;
    {
      auto h = weft::spawn([token, release] {
        release.recv();
        return token;
      });
    }
    release.send();
    while (token.use_count() > 1) weft::yield();
  });
}

TEST_CASE("handles move", "[go][join]") {
  static_assert(!std::is_copy_constructible_v<weft::join_handle<int>>);
  static_assert(std::is_nothrow_move_constructible_v<weft::join_handle<int>>);
  weft::run([] {
    auto a = weft::spawn([] { return 1; });
    auto b = std::move(a);
    CHECK(b.get() == 1);
    auto c = weft::spawn([] { return 2; });
    b = std::move(c);
    CHECK(b.get() == 2);
    std::vector<weft::join_handle<int>> many;
    for (int i = 0; i < 50; ++i) many.push_back(weft::spawn([i] { return i; }));
    int sum = 0;
    for (auto& h : many) sum += h.get();
    CHECK(sum == 49 * 50 / 2);
  });
}

TEST_CASE("a plain thread may wait for a handle", "[go][join]") {
  weft::chan<void> release;
  auto h = weft::spawn([release] {
    release.recv();
    return std::string("joined");
  });
  int from_thread = 0;
  std::thread opener([&] {
    from_thread = 1;
    release.send();
  });
  CHECK(h.get() == "joined");
  opener.join();
  CHECK(from_thread == 1);
}

TEST_CASE("exit_goroutine unwinds and leaves no result", "[go]") {
  weft::run([] {
    std::atomic<bool> unwound = false;
    auto h = weft::spawn([&]() -> int {
      at_end note([&] { unwound = true; });
      weft::exit_goroutine();
    });
    CHECK_THROWS_AS(h.get(), weft::no_result);
    CHECK(unwound);
    // Deep inside calls, too.
    auto deep = weft::spawn([&] {
      auto inner = [] { weft::exit_goroutine(); };
      inner();
      unwound = false;
    });
    deep.wait();
    CHECK_THROWS_AS(deep.get(), weft::no_result);
    CHECK(unwound);
  });
}

TEST_CASE("this_goroutine: ids, names, inside", "[go]") {
  CHECK_FALSE(weft::this_goroutine::inside());
  weft::run([] {
    CHECK(weft::this_goroutine::inside());
    auto own = weft::this_goroutine::id();
    weft::yield();
    CHECK(weft::this_goroutine::id() == own);
    std::vector<weft::join_handle<std::uint64_t>> handles;
    for (int i = 0; i < 200; ++i) {
      handles.push_back(weft::spawn([] { return weft::this_goroutine::id(); }));
    }
    std::set<std::uint64_t> ids = {own};
    for (auto& h : handles) ids.insert(h.get());
    CHECK(ids.size() == 201);

    weft::this_goroutine::name("main of this test");
    auto other = weft::spawn([] {
      auto before = weft::this_goroutine::name();
      weft::this_goroutine::name("other");
      weft::yield();
      return before + "/" + weft::this_goroutine::name();
    });
    CHECK(other.get() == "/other");
    CHECK(weft::this_goroutine::name() == "main of this test");
    CHECK(weft::spawn([] { return weft::this_goroutine::inside(); }).get());
  });
}

TEST_CASE("yield lets others run and may be called alone", "[go]") {
  weft::run({.workers = 1}, [] {
    for (int i = 0; i < 100; ++i) weft::yield();
    std::mutex mutex;
    std::string order;
    weft::wait_group group;
    for (char name : {'a', 'b'}) {
      group.go([&, name] {
        for (int i = 0; i < 3; ++i) {
          {
            std::lock_guard lock(mutex);
            order += name;
          }
          weft::yield();
        }
      });
    }
    group.wait();
    CHECK(order.size() == 6);
    // On one worker neither runs twice in a row while the other is ready.
    CHECK(order.find("aaa") == std::string::npos);
    CHECK(order.find("bbb") == std::string::npos);
  });
  weft::yield();  // A plain thread gives its time slice away.
}

TEST_CASE("an exception in flight survives waits and migration", "[go][exceptions]") {
  const int count = weft_test::scaled(200);
  weft_test::notes notes;
  weft::run([&] {
    weft::wait_group group;
    weft::chan<void> step;
    for (int i = 0; i < count; ++i) {
      group.go([&, i] {
        try {
          try {
            throw std::runtime_error(std::to_string(i));
          } catch (...) {
            weft::yield();
            auto current = std::current_exception();
            try {
              throw i;
            } catch (int inner) {
              weft::yield();
              notes.expect(inner == i, "inner exception changed");
            }
            weft::yield();
            notes.expect(current == std::current_exception(), "another current exception");
            throw;
          }
        } catch (const std::runtime_error& e) {
          weft::yield();
          notes.expect(e.what() == std::to_string(i), "rethrown exception changed");
        }
        notes.expect(std::current_exception() == nullptr, "an exception was left");
      });
    }
    group.wait();
  });
  CHECK(notes.text() == "");
}

TEST_CASE("uncaught_exceptions is right in destructors that wait", "[go][exceptions]") {
  const int count = weft_test::scaled(200);
  weft_test::notes notes;
  weft::run([&] {
    weft::wait_group group;
    for (int i = 0; i < count; ++i) {
      group.go([&, i] {
        const bool throwing = i % 2 == 0;
        try {
          at_end check([&] {
            for (int k = 0; k < 3; ++k) {
              notes.expect(std::uncaught_exceptions() == (throwing ? 1 : 0), "wrong count");
              weft::yield();
            }
          });
          if (throwing) throw i;
          weft::yield();
        } catch (int v) {
          notes.expect(v == i, "wrong exception");
        }
        notes.expect(std::uncaught_exceptions() == 0, "left something in flight");
      });
    }
    group.wait();
  });
  CHECK(notes.text() == "");
}
