// A goroutine that runs over the end of its stack: what is said, and how the process ends.
#include "descend.hpp"
#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>

#include <sys/syscall.h>
#include <unistd.h>

using namespace std::chrono_literals;
using weft_test::contains;
using weft_test::overflow_stack;
using weft_test::run_child;

#if !defined(WEFT_TEST_TSAN) && !defined(WEFT_TEST_ASAN) && !defined(WEFT_TEST_VALGRIND) && \
    defined(__GLIBC__)
#define WEFT_TEST_FORBIDS_MALLOC 1

// What the handler must not do: the thread that is about to overflow allocates nothing any more.
namespace {
constinit thread_local bool may_not_allocate = false;
void check_allocation() {
  if (!may_not_allocate) return;
  constexpr char text[] = "malloc in the handler\n";
  [[maybe_unused]] const auto n = write(STDERR_FILENO, text, sizeof text - 1);
  _exit(3);
}
}  // namespace

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* malloc(std::size_t n) {
  check_allocation();
  return __libc_malloc(n);
}
void* calloc(std::size_t n, std::size_t size) {
  check_allocation();
  return __libc_calloc(n, size);
}
void* realloc(void* p, std::size_t n) {
  check_allocation();
  return __libc_realloc(p, n);
}
}
#endif

namespace {

std::size_t count_of(const std::string& text, const std::string& what) {
  std::size_t n = 0;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

WEFT_CHILD_CASE("overflow-named") {
  weft::run({.stack_size = 300 << 10}, [] {
    weft::spawn([] {
      weft::this_goroutine::name("the deep one");
      std::cout << weft::this_goroutine::id() << std::endl;
      weft::yield();
      overflow_stack();
    }).wait();
  });
}

WEFT_CHILD_CASE("overflow-unnamed") {
  weft::run([] { overflow_stack(); });
}

#if defined(WEFT_TEST_FORBIDS_MALLOC)
WEFT_CHILD_CASE("overflow-no-malloc") {
  weft::run([] {
    may_not_allocate = true;
    overflow_stack();
  });
}
#endif

WEFT_CHILD_CASE("overflow-big-frame") {
  weft::run([] { weft_test_big_frame(1000); });
}

// On a thread that stands in for one that a goroutine blocks.
WEFT_CHILD_CASE("overflow-stand-in") {
  weft::run({.workers = 1}, [] {
    weft::chan<void> blocked;
    weft::go([&] {
      blocked.send();
      std::this_thread::sleep_for(1h);
    });
    blocked.recv();
    weft::spawn([] { overflow_stack(); }).wait();
  });
}

WEFT_CHILD_CASE("overflow-many-at-once") {
  weft::run({.workers = 8}, [] {
    weft::latch together(8);
    weft::wait_group group;
    for (int i = 0; i < 8; ++i) {
      group.go([&] {
        together.arrive_and_wait();
        overflow_stack();
      });
    }
    group.wait();
  });
}

weft::coro<void> deep_coroutine() {
  co_await weft::async_sleep_for(1us);
  overflow_stack();
}

WEFT_CHILD_CASE("overflow-coroutine") {
  weft::run([] { weft::spawn(deep_coroutine()).wait(); });
}

}  // namespace

TEST_CASE("an overflow names the goroutine, its size and the option, shows its calls, and kills",
          "[death][overflow]") {
  const auto child = run_child("overflow-named");
  CHECK(child.signal == SIGSEGV);
  const std::string id = child.out.substr(0, child.out.find('\n'));
  CHECK_THAT(child.err, contains("weft: goroutine " + id +
                                 " \"the deep one\": stack overflow (size 300 KiB); "
                                 "set options.stack_size"));
  CHECK(count_of(child.err, "weft_test_descend (") >= 2);
  CHECK_THAT(child.err, contains(" times\n"));
  CHECK_THAT(child.err, contains(" more ...\n"));
  // From the other end, too: how it came there.
  CHECK_THAT(child.err, contains("weft_test_outermost ("));
  CHECK(std::count(child.err.begin(), child.err.end(), '\n') < 40);
}

TEST_CASE("an overflow of main's goroutine", "[death][overflow]") {
  const auto child = run_child("overflow-unnamed");
  CHECK(child.signal == SIGSEGV);
  CHECK_THAT(child.err, contains(": stack overflow (size "));
  CHECK_THAT(child.err, !contains("\"\""));
}

#if defined(WEFT_TEST_FORBIDS_MALLOC)
TEST_CASE("the report of an overflow allocates nothing", "[death][overflow]") {
  const auto child = run_child("overflow-no-malloc");
  CHECK(child.signal == SIGSEGV);
  CHECK_THAT(child.err, contains("weft_test_descend"));
  CHECK_THAT(child.err, !contains("malloc in the handler"));
}
#endif

TEST_CASE("a frame larger than the guard meets it, with -fstack-clash-protection",
          "[death][overflow]") {
  const auto child = run_child("overflow-big-frame");
  CHECK(child.signal == SIGSEGV);
  CHECK_THAT(child.err, contains("stack overflow"));
  CHECK_THAT(child.err, contains("weft_test_big_frame ("));
}

TEST_CASE("an overflow on a thread that stands in for a blocked one", "[death][overflow]") {
  const auto child = run_child("overflow-stand-in");
  CHECK(child.signal == SIGSEGV);
  CHECK_THAT(child.err, contains("stack overflow"));
}

TEST_CASE("several overflows at once: one is reported", "[death][overflow]") {
  const auto child = run_child("overflow-many-at-once");
  CHECK(child.signal == SIGSEGV);
  CHECK(count_of(child.err, "stack overflow (size") == 1);
  CHECK_THAT(child.err, contains("weft_test_outermost ("));
}

TEST_CASE("an overflow in a coroutine is that of the goroutine that resumes it",
          "[death][overflow]") {
  const auto child = run_child("overflow-coroutine");
  CHECK(child.signal == SIGSEGV);
  CHECK_THAT(child.err, contains("stack overflow"));
}
