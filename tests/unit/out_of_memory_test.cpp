// No memory for another goroutine's record or stack. Each case limits the address space of a child.
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <fstream>
#include <iostream>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include <weft/weft.hpp>

#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/plain_pipe.hpp"
#include "support/scale.hpp"

namespace {

constexpr std::size_t mebibyte = std::size_t{1} << 20;

// From now on the process may map this much more.
void leave_room(std::size_t bytes) {
  std::ifstream statm("/proc/self/statm");
  rlim_t pages = 0;
  statm >> pages;
  const rlimit bound{pages * 4096 + bytes, RLIM_INFINITY};
  if (setrlimit(RLIMIT_AS, &bound) != 0) std::abort();
}

// Calls until it throws std::bad_alloc, and says how often it did not.
template <class F>
long until_refused(F call) {
  for (long n = 0;; ++n) {
    try {
      call();
    } catch (const std::bad_alloc&) {
      return n;
    }
  }
}

WEFT_CHILD_CASE("no-room-for-a-record") {
  std::atomic<long> ran = 0;
  weft::run([&] {
    weft::chan<int> there;
    weft::chan<int> back;
    weft::go([=] {
      for (const int v : there) back.send(v);
    });
    there.send(0);  // both have begun
    back.recv();
    weft::chan<void> gate;
    leave_room(48 * mebibyte);
    weft::wait_group group;
    weft::chan<void> first_gate;  // or their records would be free again at once
    const auto record = [&] {
      group.add(1);
      try {
        weft::go([&] {
          first_gate.recv();
          ++ran;
          group.done();
        });
      } catch (...) {
        group.done();
        throw;
      }
    };
    const long first = until_refused(record);
    // What runs goes on, and what could be started runs.
    there.send(1);
    std::cout << "echo " << *back.recv() << '\n';
    first_gate.close();
    group.wait();
    std::cout << "all ran " << (ran == first && first > 0) << '\n';
    // Their records are free again.
    record();
    group.wait();
    std::cout << "one more " << (ran == first + 1) << '\n';
    // A large callable has memory of its own. None can be had if stacks have taken what was left.
    struct large {
      char data[8 << 10];
    };
    std::atomic<long> held = 0;
    const long second = until_refused([&] {
      weft::go([&held, gate, more = large{}] {
        held += more.data[0] + 1;
        gate.recv();
      });
    });
    gate.close();
    while (held != second) weft::yield();
    std::cout << "large ones, too " << (held == second) << '\n';
  });
  std::cout << "ended\n";
}

// Goroutines that wait until they are told to end.
struct crowd {
  std::atomic<long> started = 0;
  weft::chan<void> tokens;
  weft::wait_group group;
  long made = 0;

  void start() {
    group.go([this] {
      ++started;
      tokens.recv();
    });
    ++made;
  }
  // Starts them until so many wait for a stack, and waits until each of them runs or does that.
  void start_until_waiting(std::size_t n) {
    while (weft::stats().waiting_for_stack < n) {
      start();
      weft::yield();
    }
    settle();
  }
  void settle() {
    while (started + long(weft::stats().waiting_for_stack) != made) weft::yield();
  }
  // No stack lies idle: there are as many as goroutines that have one, main's included.
  void until_all_stacks_are_used(long ended) {
    while (long(weft::stats().stacks) != started - ended + 1) weft::yield();
  }
  void end(long n) {
    for (long i = 0; i < n; ++i) tokens.send();
  }
};

// Goroutines that begin and end, whose workers keep their stacks.
void end_some() {
  weft::chan<void> gate;
  weft::wait_group some;
  for (int i = 0; i < 60; ++i) some.go([&] { gate.recv(); });
  while (weft::stats().parked < 60) weft::yield();
  gate.close();
  some.wait();
}

WEFT_CHILD_CASE("no-room-for-stacks-and-none-idle") {
  weft::run({.stack_size = mebibyte}, [] {
    end_some();  // also on other workers, which sleep now
    leave_room(150 * mebibyte);
    crowd c;
    c.start_until_waiting(100);
    c.until_all_stacks_are_used(0);
    const long held = c.started;
    c.end(30);
    while (c.started < held + 30) weft::yield();  // one for each
    c.until_all_stacks_are_used(30);
    std::cout << "waited " << (weft::stats().waited_for_stack >= 100) << '\n';
    c.end(c.made - 30);
    c.group.wait();
    std::cout << "all " << (c.started == c.made) << ", waiting " << weft::stats().waiting_for_stack
              << '\n';
    // And once more.
    crowd again;
    again.start_until_waiting(10);
    again.end(again.made);
    again.group.wait();
  });
  std::cout << "ended\n";
}

// A worker that is kept by its goroutine keeps no stacks that others wait for.
WEFT_CHILD_CASE("no-room-for-stacks-beside-a-pinned-one") {
  weft::run({.workers = 1, .stack_size = mebibyte}, [] {
    end_some();
    weft::set_workers(2);
    weft::chan<void> is_pinned(1);
    auto others = weft::spawn([&] {
      is_pinned.recv();
      leave_room(150 * mebibyte);
      crowd c;
      c.start_until_waiting(100);
      c.until_all_stacks_are_used(-1);  // this one's, too
      c.end(c.made);
      c.group.wait();
    });
    const weft::pinned here;
    is_pinned.send();
    others.get();
  });
  std::cout << "ended\n";
}

// Nor does one that set_workers has sent away.
WEFT_CHILD_CASE("no-room-for-stacks-beside-retired-workers") {
  weft::run({.workers = 4, .stack_size = mebibyte}, [] {
    // At the same time, so on different workers: each has stacks, and a timer, so that its thread stays.
    std::atomic<int> running = 0;
    weft::mutex mutex;
    std::vector<weft::timer> timers;
    weft::wait_group some;
    for (int i = 0; i < 3; ++i) {
      some.go([&] {
        {
          const std::lock_guard guard(mutex);
          timers.emplace_back(std::chrono::hours(1));
        }
        ++running;
        while (running < 3) sched_yield();
      });
    }
    some.wait();
    weft::set_workers(1);
    leave_room(150 * mebibyte);
    crowd c;
    c.start_until_waiting(100);
    c.until_all_stacks_are_used(0);
    c.end(c.made);
    c.group.wait();
  });
  std::cout << "ended\n";
}

// Nobody ends, but there is memory again.
WEFT_CHILD_CASE("room-for-stacks-again") {
  constexpr std::size_t size = 256 * mebibyte;
  void* other = mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  weft::run({.stack_size = mebibyte}, [&] {
    weft::spawn([] {}).get();
    leave_room(100 * mebibyte);
    crowd c;
    c.start_until_waiting(20);
    munmap(other, size);
    while (c.started != c.made) weft::yield();
    c.end(c.made);
    c.group.wait();
  });
  std::cout << "ended\n";
}

// And while the only worker is kept: somebody else asks for it.
WEFT_CHILD_CASE("room-for-stacks-again-while-all-block") {
  constexpr std::size_t size = 256 * mebibyte;
  void* other = mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  weft_test::plain_pipe gate;
  std::atomic<crowd*> waits = nullptr;
  std::thread outside([&] {
    while (waits == nullptr) sched_yield();
    munmap(other, size);
    crowd& c = *waits;
    while (c.started != c.made) sched_yield();
    gate.release();
  });
  weft::run({.workers = 1, .stack_size = mebibyte}, [&] {
    weft::spawn([] {}).get();
    leave_room(100 * mebibyte);
    crowd c;
    c.start_until_waiting(20);
    waits = &c;
    gate.block();
    c.end(c.made);
    c.group.wait();
  });
  outside.join();
  std::cout << "ended\n";
}

// What waits for a stack when its run ends is destroyed like any other that never ran.
WEFT_CHILD_CASE("ends-while-some-wait-for-stacks") {
  std::atomic<long> alive = 0;
  struct counted {
    std::atomic<long>* n;
    explicit counted(std::atomic<long>& a) : n(&a) { ++*n; }
    counted(const counted& other) : n(other.n) { ++*n; }
    ~counted() { --*n; }
  };
  weft::run({.stack_size = mebibyte}, [&] {
    weft::spawn([] {}).get();
    leave_room(100 * mebibyte);
    while (weft::stats().waiting_for_stack < 20) {
      weft::go([c = counted(alive)] { weft::chan<void>().recv(); });
      weft::yield();
    }
  });
  std::cout << "alive " << alive << '\n';
}

WEFT_CHILD_CASE("no-stack-for-main") {
  leave_room(512 * mebibyte);
  try {
    weft::run({.stack_size = std::size_t{1} << 38}, [] { std::cout << "ran\n"; });
  } catch (const std::bad_alloc&) {
    std::cout << "bad_alloc\n";
  }
  std::cout << weft::run([] { return 5; }) << '\n';
}

weft_test::child_result limited(const std::string& name, const char* workers) {
  const auto child = weft_test::run_child(name, {.env = {std::string("WEFT_WORKERS=") + workers}});
  INFO(child.err);
  CHECK(child.exit_code == 0);
  return child;
}

int count(const std::string& text, const std::string& part) {
  int n = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++n;
  return n;
}

// They need the address space themselves.
constexpr bool has_no_limit =
    weft_test::under_tsan || weft_test::under_asan || weft_test::under_valgrind;

}  // namespace

TEST_CASE("no room for a goroutine's record: go throws, and what runs goes on") {
  if (has_no_limit) return;
  const char* workers = GENERATE("1", "2", "8");
  CHECK(limited("no-room-for-a-record", workers).out ==
        "echo 1\nall ran 1\none more 1\nlarge ones, too 1\nended\n");
}

TEST_CASE("no room for stacks: goroutines wait for those of others, and no stack lies idle") {
  if (has_no_limit) return;
  const char* workers = GENERATE("1", "2", "8");
  const auto child = limited("no-room-for-stacks-and-none-idle", workers);
  CHECK(child.out == "waited 1\nall 1, waiting 0\nended\n");
  CHECK(count(child.err, "no memory for another stack") == 1);
}

TEST_CASE("those that wait for a stack start when the system has memory again") {
  if (has_no_limit) return;
  const char* workers = GENERATE("1", "2");
  CHECK(limited("room-for-stacks-again", workers).out == "ended\n");
}

TEST_CASE("those that wait for a stack start although the only worker is kept") {
  if (has_no_limit) return;
  CHECK(limited("room-for-stacks-again-while-all-block", "1").out == "ended\n");
}

TEST_CASE("the run ends while some wait for a stack") {
  if (has_no_limit) return;
  const char* workers = GENERATE("1", "2");
  CHECK(limited("ends-while-some-wait-for-stacks", workers).out == "alive 0\n");
}

TEST_CASE("no stack for main's function: run throws") {
  if (has_no_limit) return;
  CHECK(limited("no-stack-for-main", "2").out == "bad_alloc\n5\n");
}

TEST_CASE("a pinned goroutine's worker keeps no stacks that others wait for") {
  if (has_no_limit) return;
  CHECK(limited("no-room-for-stacks-beside-a-pinned-one", "1").out == "ended\n");
}

TEST_CASE("workers that are sent away keep no stacks that others wait for") {
  if (has_no_limit) return;
  CHECK(limited("no-room-for-stacks-beside-retired-workers", "4").out == "ended\n");
}
