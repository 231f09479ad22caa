// Deadlock inside run: the dump, the exception in main, the abort where main may not throw.
#include "support/catch.hpp"
#include "support/child.hpp"

#include <weft/weft.hpp>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

using namespace std::chrono_literals;
using weft_test::contains;
using weft_test::run_child;

namespace {

// Runs f and says on stdout how that ended.
template <class F>
void report(F f) {
  try {
    weft::run(f);
    std::cout << "returned\n";
  } catch (const weft::deadlock_error&) {
    std::cout << "deadlock\n";
  }
}

WEFT_CHILD_CASE("deadlock-of-two") {
  report([] {
    weft::this_goroutine::name("first of two");
    weft::chan<int> c;
    weft::go([c] {
      weft::this_goroutine::name("second of two");
      c.recv();
    });
    c.recv();
  });
}

WEFT_CHILD_CASE("deadlock-of-main-alone") {
  report([] { weft::chan<int>().send(1); });
  report([] { weft::chan<int>(nullptr).recv(); });
  report([] { weft::select(); });
  report([] {
    weft::chan<int> c;
    weft::select(weft::on_recv(c), weft::on_send(c, 1));
  });
  report([] {
    weft::mutex m;
    m.lock();
    m.lock();
  });
  report([] {
    weft::wait_group g;
    g.add(1);
    g.wait();
  });
  report([] { weft::spawn([] { weft::chan<int>().recv(); }).wait(); });
  report([] {
    weft::sleep_for(5ms);
    weft::chan<int>().recv();
  });
  report([] {});
}

WEFT_CHILD_CASE("deadlock-seen-late") {
  // The last to rest is not the one that watches: it has computed meanwhile, then slept.
  for (const unsigned workers : {1u, 2u, 4u}) {
    try {
      weft::run({.workers = workers}, [] {
        weft::chan<int> c;
        weft::go([] {
          const auto start = weft::clock::now();
          while (weft::clock::now() - start < 60ms) {
          }
          weft::sleep_for(100ms);
        });
        weft::go([] {});
        c.recv();
      });
    } catch (const weft::deadlock_error&) {
      std::cout << "deadlock\n";
    }
  }
}

WEFT_CHILD_CASE("deadlock-again-and-again") {
  for (int i = 0; i < 20; ++i) {
    try {
      weft::run({.workers = 1}, [] { weft::chan<int>().send(1); });
    } catch (const weft::deadlock_error&) {
      std::cout << ".";
    }
  }
}

WEFT_CHILD_CASE("deadlock-in-one-of-two-runs") {
  // The other run is busy for a while: no judgement until it rests. Its end must not hide it.
  std::thread other([] {
    weft::run({.workers = 1, .detect_deadlock = false}, [] { weft::sleep_for(300ms); });
  });
  report([] { weft::chan<int>().recv(); });
  other.join();
}

WEFT_CHILD_CASE("deadlock-after-a-timer-that-nobody-sees") {
  // Of a run that has ended; its channel is gone.
  weft::run([] { auto unused = weft::after(1h); });
  report([] { weft::chan<int>().recv(); });
}

WEFT_CHILD_CASE("deadlocks-beside-other-runs") {
  std::thread other([] {
    for (int i = 0; i < 500; ++i) weft::run({.workers = 1}, [] { weft::yield(); });
  });
  int found = 0;
  for (int i = 0; i < 30; ++i) {
    try {
      weft::run({.workers = 1}, [] { weft::chan<int>().recv(); });
    } catch (const weft::deadlock_error&) {
      ++found;
    }
  }
  other.join();
  std::cout << found << '\n';
}

WEFT_CHILD_CASE("deadlock-others-unwind") {
  // The other one closes, while it unwinds, what main waits for. Main must not see that.
  report([] {
    weft::chan<int> c;
    struct closer {
      weft::chan<int> c;
      ~closer() {
        std::cout << "unwound\n";
        c.close();
      }
    };
    weft::go([c] {
      closer at_end{c};
      weft::chan<int>().recv();
    });
    if (!c.recv()) std::cout << "main saw the close\n";
  });
}

WEFT_CHILD_CASE("deadlock-caught-inside") {
  int result = weft::run([] {
    try {
      weft::chan<int>().recv();
    } catch (const weft::deadlock_error&) {
      return 3;
    }
    return 4;
  });
  std::cout << "result " << result << '\n';
}

WEFT_CHILD_CASE("deadlock-under-guard") {
  report([] {
    weft::this_goroutine::name("guarded main");
    weft::exit_guard guard;
    weft::chan<int>().recv();
  });
}

WEFT_CHILD_CASE("deadlock-in-destructor") {
  report([] {
    struct waits {
      ~waits() { weft::chan<int>().recv(); }
    } at_end;
    throw std::runtime_error("in flight");
  });
}

WEFT_CHILD_CASE("no-deadlock") {
  // A timer, a descriptor, a computation, another thread: each can still wake somebody.
  report([] {
    weft::chan<int> c;
    weft::go([c] {
      weft::sleep_for(50ms);
      c.send(1);
    });
    c.recv();
  });
  report([] {
    weft::chan<int> c;
    weft::go([c] {
      auto start = weft::clock::now();
      while (weft::clock::now() - start < 100ms) {
      }
      c.send(1);
    });
    c.recv();
  });
  report([] {
    weft::chan<int> c;
    std::optional<int> out;
    c.recv_for(out, 30ms);
    weft::select(weft::on_recv(c), weft::on_timeout(30ms));
    weft::after(30ms).recv();
  });
  report([] {
    auto ends = weft::pipe();
    std::thread late([&] {
      std::this_thread::sleep_for(50ms);
      ends.writer.write("x");
    });
    std::byte one[1];
    ends.reader.read(one);
    late.join();
  });
  report([] {
    weft::chan<int> c;
    std::thread late([c] {
      std::this_thread::sleep_for(50ms);
      c.send(1);
    });
    c.recv();
    late.join();
  });
}

}  // namespace

TEST_CASE("a deadlock is thrown in main, with a dump on stderr", "[death][deadlock]") {
  auto child = run_child("deadlock-of-two");
  CHECK(child.exit_code == 0);
  CHECK(child.out == "deadlock\n");
  CHECK_THAT(child.err, contains("first of two"));
  CHECK_THAT(child.err, contains("second of two"));
  CHECK_THAT(child.err, contains("deadlock"));
}

TEST_CASE("every kind of wait, one run after the other", "[death][deadlock]") {
  auto child = run_child("deadlock-of-main-alone");
  CHECK(child.exit_code == 0);
  CHECK(child.out ==
        "deadlock\ndeadlock\ndeadlock\ndeadlock\ndeadlock\ndeadlock\ndeadlock\ndeadlock\n"
        "returned\n");
}

TEST_CASE("a deadlock is seen, whoever is the last to rest", "[death][deadlock]") {
  auto child = run_child("deadlock-seen-late");
  CHECK(child.exit_code == 0);
  CHECK(child.out == "deadlock\ndeadlock\ndeadlock\n");
}

TEST_CASE("run after run in a deadlock, each is told", "[death][deadlock]") {
  auto child = run_child("deadlock-again-and-again");
  CHECK(child.exit_code == 0);
  CHECK(child.out == std::string(20, '.'));
}

TEST_CASE("a deadlock beside another run is seen when that one rests", "[death][deadlock]") {
  auto child = run_child("deadlock-in-one-of-two-runs");
  CHECK(child.exit_code == 0);
  CHECK(child.out == "deadlock\n");
}

TEST_CASE("a timer that nobody can see any more hides no deadlock", "[death][deadlock]") {
  auto child = run_child("deadlock-after-a-timer-that-nobody-sees");
  CHECK(child.exit_code == 0);
  CHECK(child.out == "deadlock\n");
}

TEST_CASE("deadlocks are found while other runs come and go", "[death][deadlock]") {
  auto child = run_child("deadlocks-beside-other-runs");
  CHECK(child.exit_code == 0);
  CHECK(child.out == "30\n");
}

TEST_CASE("nothing that others do while they unwind completes main's wait", "[death][deadlock]") {
  auto child = run_child("deadlock-others-unwind");
  CHECK(child.exit_code == 0);
  CHECK(child.out == "unwound\ndeadlock\n");
}

TEST_CASE("main may catch it", "[death][deadlock]") {
  auto child = run_child("deadlock-caught-inside");
  CHECK(child.exit_code == 0);
  CHECK(child.out == "result 3\n");
}

TEST_CASE("where main may not throw the process aborts after the dump", "[death][deadlock]") {
  auto guarded = run_child("deadlock-under-guard");
  CHECK(guarded.signal == SIGABRT);
  CHECK_THAT(guarded.err, contains("guarded main"));
  auto destructor = run_child("deadlock-in-destructor");
  CHECK(destructor.signal == SIGABRT);
  CHECK_THAT(destructor.err, contains("deadlock"));
}

TEST_CASE("what can still be woken is no deadlock", "[death][deadlock]") {
  auto child = run_child("no-deadlock");
  CHECK(child.exit_code == 0);
  CHECK(child.out == "returned\nreturned\nreturned\nreturned\nreturned\n");
  CHECK(child.err == "");
}
