// With WEFT_FORCE_MIGRATION a goroutine goes on elsewhere after each switch; and goes on all the same
// where there is no elsewhere.
#include <chrono>
#include <set>
#include <thread>

#include <unistd.h>

#include <weft/weft.hpp>

#include "base/sanitizer.hpp"
#include "support/catch.hpp"
#include "support/opaque.hpp"
#include "unit/wait_somehow.hpp"

#if WEFT_FORCE_MIGRATION

using namespace std::chrono_literals;

namespace {

// Not kept over a wait by the compiler, unlike std::this_thread::get_id().
WEFT_TEST_OPAQUE pid_t thread_now() { return gettid(); }

}  // namespace

TEST_CASE("every wait moves to another thread") {
  weft::run({.workers = 2}, [] {
    int stayed = 0;
    constexpr int waits = 200;
    for (int i = 0; i < waits; ++i) {
      const pid_t before = thread_now();
      weft_test::wait_somehow(i);
      stayed += thread_now() == before;
    }
    // One may stay where the other thread does not come for long, since the machine has other work.
    CHECK(stayed < waits * 9 / 10);
  });
}

TEST_CASE("two that talk to each other move, too") {
  weft::run({.workers = 2}, [] {
    weft::chan<int> there;
    weft::chan<int> back;
    auto other = weft::spawn([&] {
      for (const int v : there) back.send(v + 1);
    });
    std::set<pid_t> threads;
    for (int i = 0; i < 100; ++i) {
      there.send(i);
      REQUIRE(back.recv() == i + 1);
      threads.insert(thread_now());
    }
    there.close();
    other.wait();
    CHECK(threads.size() >= 2);
  });
}

TEST_CASE("nobody waits for a worker that is blocked, or for none") {
  weft::run({.workers = 1}, [] {
    for (int i = 0; i < 100; ++i) weft_test::wait_somehow(i);
  });
  weft::run({.workers = 2, .max_threads = 2}, [] {
    weft::chan<void> blocked;
    weft::go([&] {
      blocked.send();
      std::this_thread::sleep_for(100ms);
    });
    blocked.recv();
    for (int i = 0; i < 100; ++i) weft_test::wait_somehow(i);
  });
}

#endif
