// SIGQUIT prints the dump, while a runtime asks for it.
//
// The handler does only what a handler may: it counts the signal and passes a futex. A thread of its
// own prints, so it works when every worker is stuck, too. The handler that was there before comes
// back when nobody asks any more, unless somebody has put another one there meanwhile.
// Proved by: tests/death/sigquit_test.cpp.
#include <signal.h>

#include <atomic>
#include <cstdio>
#include <mutex>
#include <thread>

#include "base/futex.hpp"
#include "runtime/runtime.hpp"

namespace weft::detail {

namespace {

constinit std::mutex askers_lock;  // guards the following
constinit unsigned askers = 0;
constinit std::thread* printer = nullptr;
struct sigaction handler_before;

std::atomic<std::uint32_t> signals{0};
std::atomic<bool> printer_ends{false};

void on_sigquit(int) {
  int* error = thread_errno();
  const int before = *error;
  signals.fetch_add(1, std::memory_order_release);  // pairs with print_dumps
  futex_wake(&signals);
  *error = before;
}

void print_dumps(std::uint32_t seen) {
  for (;;) {
    futex_wait(signals, seen);
    if (printer_ends.load(std::memory_order_acquire)) return;
    const std::uint32_t now = signals.load(std::memory_order_acquire);
    if (now == seen) continue;
    seen = now;
    std::fputs("weft: SIGQUIT\n", stderr);
    dump_to_stderr();
  }
}

}  // namespace

void ask_for_dumps() {
  std::lock_guard guard(askers_lock);
  if (askers == 0) {
    printer_ends.store(false, std::memory_order_relaxed);
    printer = new std::thread([seen = signals.load()] {  // not destroyed at exit
      count_own_thread();
      print_dumps(seen);
      uncount_own_thread();
    });
    struct sigaction ours {};
    ours.sa_handler = &on_sigquit;
    ours.sa_flags = SA_RESTART | SA_ONSTACK;
    sigemptyset(&ours.sa_mask);
    sigaction(SIGQUIT, &ours, &handler_before);
  }
  ++askers;
}

void ask_no_more() noexcept {
  std::lock_guard guard(askers_lock);
  if (--askers != 0) return;
  struct sigaction now {};
  sigaction(SIGQUIT, nullptr, &now);
  if (now.sa_handler == &on_sigquit) sigaction(SIGQUIT, &handler_before, nullptr);
  printer_ends.store(true, std::memory_order_release);
  signals.fetch_add(1, std::memory_order_release);
  futex_wake(&signals);
  printer->join();
  delete printer;
  printer = nullptr;
}

}  // namespace weft::detail
