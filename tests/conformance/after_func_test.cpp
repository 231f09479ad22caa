// after_func(d, f): Go's time/sleep_test.go where there is one.
#include "collect.hpp"
#include "left_over.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::after_func;
using weft::chan_status;
using weft::clock;

static_assert(std::is_same_v<decltype(after_func(1ms, [] {})), weft::timer>);

TEST_CASE("TestAfterFunc: a chain of functions, each in its own goroutine", "[time][after_func]") {
  auto check = [] {
    weft::chan<std::uint64_t> ids;
    struct chain {
      int left;
      weft::chan<std::uint64_t> ids;
      void operator()() {
        ids.send(weft::this_goroutine::inside() ? weft::this_goroutine::id() : 0);
        if (--left > 0) after_func(0s, chain{left, ids});
      }
    };
    after_func(0s, chain{10, ids});
    std::uint64_t last = weft::this_goroutine::id();
    for (int i = 0; i < 10; ++i) {
      auto id = ids.recv();
      CHECK(*id != 0);
      CHECK(*id != last);
      last = *id;
    }
  };
  check();
  weft::run(check);
}

TEST_CASE("after_func is never early, and its timer has no channel", "[time][after_func]") {
  weft::run([] {
    for (auto d : {0us, 50us, 3000us}) {
      weft::chan<clock::time_point> ran(1);
      const auto start = clock::now();
      auto t = after_func(d, [ran] { ran.send(clock::now()); });
      CHECK_FALSE(t.channel());
      CHECK(*ran.recv() - start >= d);
      CHECK_FALSE(t.stop());
    }
    weft_test::until_nothing_is_left();
  });
}

TEST_CASE("TestAfterStop: a function that is stopped is not called", "[time][after_func]") {
  weft::run([] {
    std::atomic<int> called = 0;
    auto t0 = after_func(1h, [&] { ++called; });
    weft::timer t1(1h);
    auto t2 = after_func(1h, [&] { ++called; });
    CHECK(t0.stop());
    CHECK(t1.stop());
    CHECK(t2.stop());
    CHECK_FALSE(t0.stop());
    CHECK_FALSE(t1.stop());
    CHECK_FALSE(t2.stop());
    weft::sleep_for(2ms);
    CHECK(called == 0);
    weft_test::until_nothing_is_left();
  });
}

TEST_CASE("destroying the handle does not stop the function", "[time][after_func]") {
  weft::run([] {
    weft::chan<int> ran(1);
    { auto t = after_func(1ms, [ran] { ran.send(1); }); }
    CHECK(ran.recv() == 1);
    after_func(1ms, [ran] { ran.send(2); });
    CHECK(ran.recv() == 2);
  });
}

TEST_CASE("reset of an after_func timer calls the function anew", "[time][after_func]") {
  weft::run([] {
    weft::chan<int> ran(4);
    int calls = 0;
    auto t = after_func(0s, [ran, &calls] { ran.send(++calls); });
    CHECK(ran.recv() == 1);
    for (int i = 2; i < 6; ++i) {
      CHECK_FALSE(t.reset(1ms));
      CHECK(ran.recv() == i);
    }
    CHECK_FALSE(t.reset(1h));
    CHECK(t.reset(1ms));
    CHECK(ran.recv() == 6);
    CHECK_FALSE(t.reset(1h));
    CHECK(t.stop());
    CHECK_FALSE(t.stop());
    weft_test::until_nothing_is_left();
    CHECK(calls == 6);
  });
}

TEST_CASE("a reset while the function runs: both calls run at once", "[time][after_func]") {
  weft::run([] {
    weft::chan<void> inside;
    weft::chan<void> go_on;
    auto t = after_func(0s, [=] {
      inside.send();
      go_on.recv();
    });
    inside.recv();
    CHECK_FALSE(t.reset(0s));
    inside.recv();  // the second while the first waits
    go_on.send();
    go_on.send();
    weft_test::until_nothing_is_left();
  });
}

TEST_CASE("the function may be move-only, and is destroyed with its last use", "[time][after_func]") {
  weft::run([] {
    auto alive = std::make_shared<int>(0);
    std::weak_ptr<int> seen = alive;
    weft::chan<void> ran(1);
    {
      auto t = after_func(0s, [own = std::make_unique<std::shared_ptr<int>>(std::move(alive)), ran] {
        if (*own) ran.send();
      });
      ran.recv();
      CHECK_FALSE(seen.expired());  // a reset may call it again
    }
    while (!seen.expired()) weft::yield();
    // Stopped and dropped: never called, destroyed all the same.
    alive = std::make_shared<int>(0);
    seen = alive;
    {
      auto t = after_func(1h, [own = std::move(alive)] {});
      CHECK(t.stop());
    }
    CHECK(seen.expired());
  });
}

TEST_CASE("the function may wait, and its destructor, too", "[time][after_func]") {
  struct waits_at_end {
    weft::chan<void> c;
    ~waits_at_end() {
      weft::exit_guard guard;
      c.recv();
    }
  };
  weft::run([] {
    weft::chan<void> c;
    after_func(0s, [own = std::make_shared<waits_at_end>(c), c] { c.recv(); });
    c.send();
    c.send();
    weft_test::until_nothing_is_left();
    SUCCEED();
  });
}

TEST_CASE("what the function throws is uncaught", "[time][after_func]") {
  weft::chan<std::string> message(1);
  weft::options o;
  o.on_uncaught = [message](std::exception_ptr e, std::string_view) {
    try {
      std::rethrow_exception(e);
    } catch (const std::runtime_error& error) {
      message.send(error.what());
    }
  };
  weft::run(o, [&] {
    after_func(0s, [] { throw std::runtime_error("late"); });
    CHECK(message.recv() == "late");
    // exit_goroutine is none.
    weft::chan<void> ended(1);
    struct at_end {
      weft::chan<void> c;
      ~at_end() { c.try_send(); }
    };
    after_func(0s, [ended] {
      at_end e{ended};
      weft::exit_goroutine();
    });
    ended.recv();
    CHECK(message.size() == 0);
  });
}

TEST_CASE("TestAfterFuncStop race: called exactly if stop said no", "[time][after_func]") {
  const int count = weft_test::scaled(2000);
  std::atomic<int> wrong = 0;
  weft::run([&] {
    weft::wait_group group;
    for (int i = 0; i < count; ++i) {
      group.go([&, i] {
        auto called = std::make_shared<std::atomic<int>>(0);
        weft::chan<void> ran(1);
        auto t = after_func(std::chrono::microseconds(i % 200), [called, ran] {
          ++*called;
          ran.try_send();
        });
        weft::sleep_for(std::chrono::microseconds((i * 7) % 200));
        if (t.stop()) {
          weft::yield();
          if (*called != 0) ++wrong;
        } else {
          ran.recv();
          if (*called != 1) ++wrong;
        }
      });
    }
    group.wait();
    weft_test::until_nothing_is_left();
  });
  CHECK(wrong == 0);
}

TEST_CASE("reset racing with the start: as many calls as resets that said no, and one",
          "[time][after_func]") {
  const int rounds = weft_test::scaled(200);
  weft::run([&] {
    std::atomic<int> calls = 0;
    int started = 1;
    auto t = after_func(0s, [&] { ++calls; });
    for (int i = 0; i < rounds; ++i) {
      weft::sleep_for(std::chrono::microseconds(i % 70));
      if (!t.reset(std::chrono::microseconds(i % 60))) ++started;
    }
    if (t.stop()) --started;
    while (calls < started) weft::yield();
    weft_test::until_nothing_is_left();
    CHECK(calls == started);
  });
}

TEST_CASE("a handle that goes while its timer fires", "[time][after_func]") {
  const int count = weft_test::scaled(2000);
  std::atomic<int> destroyed = 0;
  struct counted {
    std::atomic<int>* n;
    explicit counted(std::atomic<int>* c) : n(c) {}
    counted(counted&& other) noexcept : n(std::exchange(other.n, nullptr)) {}
    ~counted() {
      if (n != nullptr) ++*n;
    }
  };
  weft::run([&] {
    for (int i = 0; i < count; ++i) {
      auto t = after_func(std::chrono::microseconds(i % 50), [own = counted(&destroyed)] {});
      weft::sleep_for(std::chrono::microseconds((i * 3) % 90));
      t.stop();
    }
    weft_test::until_nothing_is_left();
  });
  CHECK(destroyed == count);
}

TEST_CASE("a function of a plain thread runs in the default runtime", "[time][after_func][threads]") {
  weft::chan<bool> inside(1);
  std::thread thread([=] { after_func(1ms, [=] { inside.send(weft::this_goroutine::inside()); }); });
  thread.join();
  CHECK(inside.recv() == true);
}

TEST_CASE("a function whose run has ended is called in the default runtime", "[time][after_func]") {
  weft::chan<void> ran(1);
  weft::run([=] { after_func(1ms, [=] { ran.send(); }); });
  CHECK(ran.recv());
  // Also one that comes due while the run unwinds.
  weft::chan<bool> in_run(1);
  weft::run([=] {
    weft::chan<void> parked;
    weft::go([=] {
      struct slow {
        ~slow() {
          weft::exit_guard guard;
          weft::sleep_for(20ms);
        }
      } at_end;
      parked.send();
      weft::chan<void>().recv();
    });
    parked.recv();
    after_func(1ms, [=] { in_run.send(true); });
  });
  CHECK(in_run.recv() == true);
}
