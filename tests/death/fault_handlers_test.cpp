// Faults that are no overflow go on to the handler that was there before weft, as the kernel would
// have called it; and what comes after weft is called first.
#include "descend.hpp"
#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/opaque.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <csetjmp>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string_view>
#include <thread>

#include <sys/mman.h>
#include <unistd.h>

using weft_test::contains;
using weft_test::overflow_stack;
using weft_test::run_child;

namespace {

// The sanitizers' own handlers are out of the way, but in the tests that are about them.
const weft_test::child_options no_sanitizers{
    .env = {"ASAN_OPTIONS=handle_segv=0:handle_sigbus=0", "TSAN_OPTIONS=handle_segv=0:handle_sigbus=0"}};

void say(std::string_view text) {
  [[maybe_unused]] const auto n = write(STDOUT_FILENO, text.data(), text.size());
}

// A page that nobody may touch.
char* forbidden_page() {
  static void* const page = mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return static_cast<char*>(page);
}

// As a library that is not instrumented would.
WEFT_TEST_OPAQUE WEFT_TEST_NO_TSAN void touch(volatile char* at) { *at = 1; }

void in_goroutine(void (*f)()) {
  weft::run([&] {
    weft::spawn([&] {
      weft::yield();
      f();
    }).wait();
  });
}

void install(int signal, void (*handler)(int, siginfo_t*, void*), int flags,
             struct sigaction* before = nullptr) {
  struct sigaction a {};
  a.sa_sigaction = handler;
  a.sa_flags = flags | SA_SIGINFO;
  sigaction(signal, &a, before);
}

// --- a reporter that was there before ---

void reports(int signal, siginfo_t* info, void* context) {
  if (signal == SIGSEGV && info->si_addr == forbidden_page() + 8 && context != nullptr) say("reporter ");
  _exit(7);
}

WEFT_CHILD_CASE("fault-reporter-before") {
  install(SIGSEGV, &reports, SA_ONSTACK);
  in_goroutine([] { touch(forbidden_page() + 8); });
}
WEFT_CHILD_CASE("overflow-reporter-before") {
  install(SIGSEGV, &reports, SA_ONSTACK);
  in_goroutine([] { overflow_stack(); });
}

// --- one that mends the page and goes on ---

void mends(int signal) {
  mprotect(forbidden_page(), 4096, PROT_READ | PROT_WRITE);
  sigset_t blocked;
  pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
  if (sigismember(&blocked, signal) == 1 && sigismember(&blocked, SIGUSR2) == 1) say("mended ");
}

WEFT_CHILD_CASE("fault-plain-handler") {
  struct sigaction a {};
  a.sa_handler = &mends;
  sigaddset(&a.sa_mask, SIGUSR2);
  sigaction(SIGSEGV, &a, nullptr);
  in_goroutine([] {
    touch(forbidden_page());
    sigset_t blocked;
    pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
    if (sigismember(&blocked, SIGUSR2) == 0) say("went on");
  });
}

// --- one that leaves by siglongjmp ---

thread_local sigjmp_buf way_out;
void jumps(int, siginfo_t*, void*) { siglongjmp(way_out, 1); }

WEFT_TEST_OPAQUE void faults_and_comes_out() {
  if (sigsetjmp(way_out, 1) == 0) {
    touch(forbidden_page());
  } else {
    say("out ");
  }
}

WEFT_CHILD_CASE("fault-jumps-out") {
  install(SIGSEGV, &jumps, SA_ONSTACK);
  in_goroutine([] {
    for (int i = 0; i < 3; ++i) faults_and_comes_out();
  });
}

// --- one for a single time ---

void once(int, siginfo_t*, void*) { say("once "); }

WEFT_CHILD_CASE("fault-resethand") {
  install(SIGSEGV, &once, static_cast<int>(SA_RESETHAND));
  in_goroutine([] { touch(forbidden_page()); });
}

void recurses(int, siginfo_t*, void*) {
  static int depth = 0;
  say("in ");
  if (++depth < 3) touch(forbidden_page());
  _exit(7);
}

WEFT_CHILD_CASE("fault-nodefer") {
  install(SIGSEGV, &recurses, SA_NODEFER | SA_ONSTACK);
  in_goroutine([] { touch(forbidden_page()); });
}

// --- no handler ---

WEFT_CHILD_CASE("fault-default") {
  in_goroutine([] { touch(forbidden_page()); });
}
WEFT_CHILD_CASE("fault-low-address") {
  in_goroutine([] { touch(reinterpret_cast<char*>(64)); });
}
WEFT_CHILD_CASE("fault-plain-thread") {
  in_goroutine([] {});
  touch(forbidden_page());
}
WEFT_CHILD_CASE("sent-default") {
  in_goroutine([] { std::raise(SIGBUS); });
}
WEFT_CHILD_CASE("sent-ignored") {
  std::signal(SIGSEGV, SIG_IGN);
  in_goroutine([] { std::raise(SIGSEGV); });
  say("went on");
}
WEFT_CHILD_CASE("fault-ignored") {
  std::signal(SIGSEGV, SIG_IGN);
  in_goroutine([] { touch(forbidden_page()); });
}

// --- a stray pointer into another's guard ---

WEFT_CHILD_CASE("stray-into-guard") {
  weft::run({.workers = 1}, [] {
    const volatile char here = 0;
    // Neighbours are taken in the order of their addresses, so this one lies above main's.
    weft::spawn([below = reinterpret_cast<std::uintptr_t>(&here)] {
      const volatile char mine = 0;
      const auto at = reinterpret_cast<std::uintptr_t>(&mine);
      say(at > below ? "above " : "below ");
      // From the far stack down to the near one's guard: whatever is hit first is not its own.
      for (auto p = below; p > below - (std::uintptr_t{1} << 30); p -= 4096) {
        touch(reinterpret_cast<volatile char*>(p & ~std::uintptr_t{4095}));
      }
    }).wait();
  });
}

// --- a reporter that comes after weft ---

struct sigaction weft_was;
void reports_and_chains(int signal, siginfo_t* info, void* context) {
  say("later ");
  weft_was.sa_sigaction(signal, info, context);
}

void with_later_reporter(void (*f)()) {
  weft::run([] {});
  install(SIGSEGV, &reports_and_chains, SA_ONSTACK, &weft_was);
  in_goroutine(f);
}

WEFT_CHILD_CASE("overflow-reporter-after") {
  with_later_reporter([] { overflow_stack(); });
}
WEFT_CHILD_CASE("fault-reporter-after") {
  with_later_reporter([] { touch(forbidden_page()); });
}
WEFT_CHILD_CASE("sent-reporter-after") {
  with_later_reporter([] { std::raise(SIGSEGV); });
}

// --- alternate stacks ---

WEFT_CHILD_CASE("alternate-stacks") {
  static char own[64 << 10];
  stack_t mine{};
  mine.ss_sp = own;
  mine.ss_size = sizeof own;
  sigaltstack(&mine, nullptr);
  weft::run([] {
    weft::spawn([] {
      stack_t now{};
      sigaltstack(nullptr, &now);
      say((now.ss_flags & SS_DISABLE) == 0 && now.ss_sp != own ? "a worker has one, " : "none, ");
    }).wait();
  });
  weft::chan<void> c(1);
  c.send();
  c.recv();
  stack_t now{};
  sigaltstack(nullptr, &now);
  say(now.ss_sp == own && now.ss_size == sizeof own ? "the thread's is its own" : "the thread's is gone");
}

}  // namespace

TEST_CASE("a fault that is no overflow is the earlier handler's", "[death][fault]") {
  const auto child = run_child("fault-reporter-before", no_sanitizers);
  CHECK(child.out == "reporter ");
  CHECK(child.exit_code == 7);
  CHECK(child.err == "");
}

TEST_CASE("an overflow is weft's, whoever was there before", "[death][fault]") {
  const auto child = run_child("overflow-reporter-before", no_sanitizers);
  CHECK(child.signal == SIGSEGV);
  CHECK(child.out == "");
  CHECK_THAT(child.err, contains("stack overflow"));
}

TEST_CASE("an earlier handler may mend and go on, under its own mask", "[death][fault]") {
  const auto child = run_child("fault-plain-handler", no_sanitizers);
  CHECK(child.out == "mended went on");
  CHECK(child.exit_code == 0);
}

TEST_CASE("an earlier handler may jump out", "[death][fault]") {
  const auto child = run_child("fault-jumps-out", no_sanitizers);
  CHECK(child.out == "out out out ");
  CHECK(child.exit_code == 0);
}

TEST_CASE("an earlier handler for a single time is called once", "[death][fault]") {
  const auto child = run_child("fault-resethand", no_sanitizers);
  CHECK(child.out == "once ");
  CHECK(child.signal == SIGSEGV);
}

TEST_CASE("an earlier handler with SA_NODEFER may fault itself", "[death][fault]") {
  const auto child = run_child("fault-nodefer", no_sanitizers);
  CHECK(child.out == "in in in ");
  CHECK(child.exit_code == 7);
}

TEST_CASE("without an earlier handler a fault kills, without a word", "[death][fault]") {
  for (const char* name : {"fault-default", "fault-low-address", "fault-plain-thread", "fault-ignored"}) {
    CAPTURE(name);
    const auto child = run_child(name, no_sanitizers);
    CHECK(child.signal == SIGSEGV);
    CHECK(child.err == "");
  }
}

TEST_CASE("signals that are sent do what they did", "[death][fault]") {
  CHECK(run_child("sent-default", no_sanitizers).signal == SIGBUS);
  const auto ignored = run_child("sent-ignored", no_sanitizers);
  CHECK(ignored.out == "went on");
  CHECK(ignored.exit_code == 0);
}

TEST_CASE("a stray pointer into another's guard is no overflow", "[death][fault]") {
  const auto child = run_child("stray-into-guard", no_sanitizers);
  CHECK(child.signal == SIGSEGV);
  CHECK_THAT(child.err, !contains("stack overflow"));
}

TEST_CASE("a handler that comes after weft is called first, and may pass on", "[death][fault]") {
  const auto overflow = run_child("overflow-reporter-after", no_sanitizers);
  CHECK(overflow.out == "later ");
  CHECK(overflow.signal == SIGSEGV);
  CHECK_THAT(overflow.err, contains("stack overflow"));
  for (const char* name : {"fault-reporter-after", "sent-reporter-after"}) {
    const auto child = run_child(name, no_sanitizers);
    CHECK(child.out == "later ");
    CHECK(child.signal == SIGSEGV);
    CHECK(child.err == "");
  }
}

TEST_CASE("workers have alternate stacks, plain threads keep theirs", "[death][fault]") {
  CHECK(run_child("alternate-stacks").out == "a worker has one, the thread's is its own");
}

#if defined(WEFT_TEST_ASAN)
TEST_CASE("AddressSanitizer reports its faults as ever", "[death][fault]") {
  const auto child = run_child("fault-low-address");
  CHECK_THAT(child.err, contains("AddressSanitizer"));
  CHECK_THAT(child.err, contains("SEGV"));
  CHECK(child.exit_code == 1);
}
#endif
#if defined(WEFT_TEST_TSAN)
TEST_CASE("ThreadSanitizer reports its faults as ever", "[death][fault]") {
  const auto child = run_child("fault-low-address");
  CHECK_THAT(child.err, contains("ThreadSanitizer"));
  CHECK_THAT(child.err, contains("SEGV"));
}
#endif
