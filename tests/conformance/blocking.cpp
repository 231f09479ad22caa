// blocking(): a call on another thread, its result, and what the runtime makes of the wait.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/plain_pipe.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using weft_test::plain_pipe;

TEST_CASE("blocking gives the result of its call", "[blocking]") {
  weft::run([] {
    CHECK(weft::blocking([] { return 42; }) == 42);
    int target = 1;
    static_assert(std::is_same_v<decltype(weft::blocking([&]() -> int& { return target; })), int&>);
    weft::blocking([&]() -> int& { return target; }) = 7;
    CHECK(target == 7);
    static_assert(std::is_void_v<decltype(weft::blocking([&] { target = 8; })) >);
    weft::blocking([&] { target = 8; });
    CHECK(target == 8);
    auto owned = weft::blocking([p = std::make_unique<int>(5)]() mutable { return std::move(p); });
    CHECK(*owned == 5);
    struct no_default {
      explicit no_default(int v) : value(v) {}
      int value;
    };
    CHECK(weft::blocking([] { return no_default(3); }).value == 3);
  });
}

TEST_CASE("blocking throws what its call throws, and the next one works", "[blocking]") {
  weft::run([] {
    std::string caught;
    try {
      weft::blocking([]() -> int { throw std::runtime_error("from the other thread"); });
    } catch (const std::runtime_error& e) {
      caught = e.what();
    }
    CHECK(caught == "from the other thread");
    CHECK(weft::blocking([] { return 1; }) == 1);
  });
}

TEST_CASE("the call runs outside of goroutines, on another thread", "[blocking]") {
  weft::run([] {
    const auto here = std::this_thread::get_id();
    CHECK(weft::blocking([&] {
      return !weft::this_goroutine::inside() && std::this_thread::get_id() != here &&
             weft::blocking([] { return !weft::this_goroutine::inside(); });
    }));
  });
}

TEST_CASE("blocking on a plain thread just calls", "[blocking]") {
  const auto here = std::this_thread::get_id();
  CHECK(weft::blocking([&] { return std::this_thread::get_id() == here; }));
  CHECK_THROWS_AS(weft::blocking([] { throw std::logic_error("here"); }), std::logic_error);
}

TEST_CASE("other goroutines run while a call blocks, and no worker is kept", "[blocking]") {
  weft::run([] {
    plain_pipe gate;
    const int n = 20;
    std::atomic<int> back = 0;
    weft::wait_group group;
    for (int i = 0; i < n; ++i) {
      group.go([&] { back += weft::blocking([&] { return gate.block(); }); });
    }
    weft_test::until_parked(n);
    CHECK(back == 0);
    for (int i = 0; i < 10; ++i) weft::sleep_for(1ms);
    CHECK(weft::stats().blocked_workers == 0);
    for (int i = 0; i < n; ++i) gate.release();
    group.wait();
    CHECK(back == n);
  });
}

TEST_CASE("more calls than threads wait for their turn", "[blocking]") {
  weft::run([] {
    const auto n = weft_test::under_tsan ? 700 : 1200;
    plain_pipe gate;
    std::atomic<int> begun = 0;
    std::atomic<int> back = 0;
    weft::wait_group group;
    for (int i = 0; i < n; ++i) {
      group.go([&] {
        back += weft::blocking([&] {
          ++begun;
          return gate.block();
        });
      });
    }
    weft_test::until_parked(std::size_t(n));
    CHECK(begun <= 512);
    for (int i = 0; i < n; ++i) gate.release();
    group.wait();
    CHECK(back == n);
  });
}

TEST_CASE("a call that is out is no deadlock", "[blocking]") {
  weft::run([] {
    plain_pipe gate;
    // Longer than the interval in which a deadlock is looked for.
    weft::blocking([&] {
      std::this_thread::sleep_for(600ms);
      gate.release();
    });
    CHECK(gate.block());
  });
}

TEST_CASE("idle threads of the pool do not hide a deadlock", "[blocking]") {
  CHECK_THROWS_AS(weft::run([] {
                    weft::blocking([] {});
                    weft::chan<int>().recv();
                  }),
                  weft::deadlock_error);
}

TEST_CASE("what the call did is seen afterwards, and what was done before by the call", "[blocking]") {
  weft::run([] {
    weft::wait_group group;
    for (int g = 0; g < 8; ++g) {
      group.go([] {
        int value = 0;  // TSan watches
        for (int i = 0; i < int(weft_test::scaled(500)); ++i) {
          weft::blocking([&] { ++value; });
          ++value;
        }
        if (value != 2 * int(weft_test::scaled(500))) std::abort();
      });
    }
    group.wait();
  });
}

TEST_CASE("at the end of a run a goroutine waits for its call and then unwinds", "[blocking]") {
  std::atomic<int> at = 0;
  plain_pipe gate;
  weft::run([&] {
    weft::go([&] {
      int local = 0;
      const weft_test::at_end count([&] { at += local; });
      weft::blocking([&] {
        at += 1;
        gate.block();
        local = 10;  // its caller's frame is still there
      });
      at += 1000;  // not reached
    });
    // Unwinds once the run has ended, and only then lets the call go on.
    weft::go([&] {
      const weft_test::at_end release([&] { gate.release(); });
      weft::chan<int>(nullptr).recv();
    });
    weft_test::until_parked(2);
  });
  CHECK(at == 11);
}

TEST_CASE("a run that has ended starts no call any more", "[blocking]") {
  std::atomic<int> called = 0;
  weft::run([&] {
    weft::chan<void> ready;
    weft::go([&called, ready] {
      try {
        ready.send();
        weft::chan<int>(nullptr).recv();
      } catch (const weft::goroutine_exit&) {
        weft::blocking([&] { ++called; });
      }
    });
    ready.recv();
  });
  CHECK(called == 0);
}

TEST_CASE("regular files are read and written by goroutines", "[blocking][io]") {
  std::string name = "/tmp/weft-blocking-XXXXXX";
  const int made = mkstemp(name.data());
  REQUIRE(made >= 0);
  close(made);
  weft::run([&] {
    std::string text;
    for (int i = 0; i < 20000; ++i) text += std::to_string(i) + '\n';
    weft::file_descriptor::open(name, O_WRONLY | O_APPEND).write(text);
    auto in = weft::file_descriptor::open(name, O_RDONLY);
    CHECK(in.read_all() == text);
    std::array<std::byte, 16> more{};
    CHECK(in.read(more) == 0);
    // Out of the page cache, so that the pool has to read.
    const int again = ::open(name.c_str(), O_RDONLY | O_CLOEXEC);
    fsync(again);
    posix_fadvise(again, 0, 0, POSIX_FADV_DONTNEED);
    weft::file_descriptor cold(again);
    CHECK(cold.read_all() == text);
    auto only = weft::file_descriptor::open(name, O_RDONLY);
    CHECK_THROWS_AS(only.write("x"), std::system_error);
  });
  unlink(name.c_str());
}
