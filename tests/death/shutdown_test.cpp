// Goroutines that do not end with their run, and exceptions where none may leave.
#include "support/catch.hpp"
#include "support/child.hpp"

#include <weft/weft.hpp>

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <iostream>
#include <thread>

using namespace std::chrono_literals;
using weft_test::contains;
using weft_test::run_child;

namespace {

std::atomic<bool> released{false};

WEFT_CHILD_CASE("abandons-a-computation") {
  weft::run({.shutdown_grace = 100ms}, [] {
    weft::chan<void> started;
    weft::go([started] {
      weft::this_goroutine::name("busy bee");
      int on_its_stack = 1;
      started.send();
      while (!released) ++on_its_stack;
      std::cout << "still here " << (on_its_stack != 0) << std::endl;
      released = false;
      for (;;) ::pause();
    });
    started.recv();
  });
  std::cout << "run returned" << std::endl;
  // Its thread and stack are untouched; another run works beside it.
  released = true;
  while (released) std::this_thread::yield();
  std::cout << weft::run([] { return weft::spawn([] { return 5; }).get(); }) << std::endl;
  std::cout << "abandoned " << weft::stats().abandoned << std::endl;
}

WEFT_CHILD_CASE("abandons-a-blocked-thread") {
  weft::run({.shutdown_grace = 100ms}, [] {
    weft::chan<void> started;
    weft::go([started] {
      weft::this_goroutine::name("blocked in a call");
      started.send();
      for (;;) ::pause();
    });
    started.recv();
  });
  std::cout << "run returned" << std::endl;
}

WEFT_CHILD_CASE("abandons-one-that-swallows") {
  weft::run({.shutdown_grace = 100ms}, [] {
    weft::chan<void> started;
    weft::go([started] {
      weft::this_goroutine::name("deaf to the end");
      started.send();
      for (;;) {
        try {
          weft::chan<int>().recv();
        } catch (...) {
        }
      }
    });
    started.recv();
  });
  std::cout << "run returned" << std::endl;
}

WEFT_CHILD_CASE("abandons-but-keeps-timers") {
  weft::recv_chan<weft::clock::time_point> tick;
  weft::recv_chan<weft::clock::time_point> soon;
  weft::run({.workers = 2, .shutdown_grace = 50ms}, [&] {
    soon = weft::after(10ms);
    tick = weft::after(300ms);
    weft::chan<void> started;
    weft::go([started] {
      started.send();
      while (!released) {
      }
    });
    started.recv();
  });
  std::cout << "run returned" << std::endl;
  std::cout << soon.recv().has_value() << tick.recv().has_value() << std::endl;
  released = true;
}

WEFT_CHILD_CASE("aborts-on-stuck") {
  weft::run({.shutdown_grace = 100ms, .abort_on_stuck = true}, [] {
    weft::chan<void> started;
    weft::go([started] {
      weft::this_goroutine::name("stuck for good");
      started.send();
      while (!released) {
      }
    });
    started.recv();
  });
  std::cout << "run returned" << std::endl;
}

WEFT_CHILD_CASE("waits-within-grace") {
  weft::run({.shutdown_grace = 60s}, [] {
    weft::chan<void> started;
    weft::go([started] {
      started.send();
      auto start = weft::clock::now();
      while (weft::clock::now() - start < 200ms) {
      }
      std::cout << "finished" << std::endl;
    });
    started.recv();
  });
  std::cout << "run returned" << std::endl;
}

WEFT_CHILD_CASE("wait-in-noexcept") {
  weft::run([] {
    weft::chan<void> started;
    weft::go([started] {
      weft::this_goroutine::name("without a guard");
      auto wait = [&]() noexcept {
        started.send();
        weft::chan<int>().recv();
      };
      wait();
    });
    started.recv();
  });
}

WEFT_CHILD_CASE("wait-in-destructor") {
  weft::run([] {
    weft::chan<void> started;
    weft::go([started] {
      weft::this_goroutine::name("waits in a destructor");
      struct waits {
        weft::chan<void> started;
        ~waits() {
          started.send();
          weft::chan<int>().recv();
        }
      } at_end{started};
    });
    started.recv();
  });
}

WEFT_CHILD_CASE("wait-in-destructor-with-guard") {
  weft::run([] {
    weft::chan<void> started;
    weft::chan<void> go_on;
    weft::go([=] {
      struct waits {
        weft::chan<void> started;
        weft::chan<void> go_on;
        ~waits() {
          weft::exit_guard guard;
          started.send();
          go_on.recv();
          std::cout << "waited to the end" << std::endl;
        }
      } at_end{started, go_on};
    });
    weft::go([=] {
      struct sends {
        weft::chan<void> c;
        ~sends() { c.send(); }
      } at_end{go_on};
      started.send();
      weft::chan<int>().recv();
    });
    started.recv();
    started.recv();
  });
  std::cout << "run returned" << std::endl;
}

}  // namespace

TEST_CASE("a computation without end is reported and left behind", "[death][shutdown]") {
  auto child = run_child("abandons-a-computation");
  CHECK(child.exit_code == 0);
  CHECK(child.out == "run returned\nstill here 1\n5\nabandoned 1\n");
  CHECK_THAT(child.err, contains("busy bee"));
}

TEST_CASE("a thread blocked in a call is reported and left behind", "[death][shutdown]") {
  auto child = run_child("abandons-a-blocked-thread");
  CHECK(child.exit_code == 0);
  CHECK(child.out == "run returned\n");
  CHECK_THAT(child.err, contains("blocked in a call"));
}

TEST_CASE("one that swallows goroutine_exit for ever is left behind", "[death][shutdown]") {
  auto child = run_child("abandons-one-that-swallows");
  CHECK(child.exit_code == 0);
  CHECK(child.out == "run returned\n");
  CHECK_THAT(child.err, contains("deaf to the end"));
}

TEST_CASE("timers of a run that has left something behind still tick", "[death][shutdown]") {
  auto child = run_child("abandons-but-keeps-timers");
  CHECK(child.exit_code == 0);
  CHECK(child.out == "run returned\n11\n");
}

TEST_CASE("abort_on_stuck aborts instead", "[death][shutdown]") {
  auto child = run_child("aborts-on-stuck");
  CHECK(child.signal == SIGABRT);
  CHECK(child.out == "");
  CHECK_THAT(child.err, contains("stuck for good"));
}

TEST_CASE("run waits for what ends within the grace", "[death][shutdown]") {
  auto child = run_child("waits-within-grace");
  CHECK(child.exit_code == 0);
  CHECK(child.out == "finished\nrun returned\n");
  CHECK(child.err == "");
}

TEST_CASE("goroutine_exit where no exception may leave terminates and says so",
          "[death][shutdown]") {
  auto function = run_child("wait-in-noexcept");
  CHECK(function.signal == SIGABRT);
  CHECK_THAT(function.err, contains("without a guard"));
  CHECK_THAT(function.err, contains("exit_guard"));
  auto destructor = run_child("wait-in-destructor");
  CHECK(destructor.signal == SIGABRT);
  CHECK_THAT(destructor.err, contains("waits in a destructor"));
  CHECK_THAT(destructor.err, contains("exit_guard"));
}

TEST_CASE("with an exit_guard the destructor waits", "[death][shutdown]") {
  auto child = run_child("wait-in-destructor-with-guard");
  CHECK(child.exit_code == 0);
  CHECK(child.out == "waited to the end\nrun returned\n");
  CHECK(child.err == "");
}
