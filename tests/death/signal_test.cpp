// Signals' default actions: off while a channel asks for them, back afterwards.
#include "support/catch.hpp"
#include "support/child.hpp"

#include <weft/weft.hpp>

#include <csignal>
#include <iostream>
#include <stdexcept>

#include <unistd.h>

using weft_test::run_child;

namespace {

WEFT_CHILD_CASE("signal-default-again") {
  weft::run([] {
    const auto c = weft::notify_signals({SIGINT, SIGTERM});
    kill(getpid(), SIGINT);
    std::cout << *c.recv() << std::endl;
    weft::stop_signals(c);
  });
  raise(SIGINT);
  std::cout << "not reached" << std::endl;
}

WEFT_CHILD_CASE("signal-context") {
  // SIGINT stops a run through a context.
  weft::run([] {
    auto [ctx, cancel] = weft::with_cancel(weft::background());
    const auto interrupts = weft::notify_signals({SIGINT});
    auto stops = weft::spawn([&, &cancel = cancel] {
      if (interrupts.recv()) cancel();
    });
    auto works = weft::spawn([ctx = ctx] { ctx.done().recv(); });
    while (weft::stats().parked < 2) weft::yield();
    kill(getpid(), SIGINT);
    works.wait();
    weft::stop_signals(interrupts);
    stops.wait();
  });
  std::cout << "stopped" << std::endl;
}

WEFT_CHILD_CASE("signal-dropped-channel") {
  // Nobody keeps it; the default action stays off all the same.
  weft::notify_signals({SIGTERM});
  raise(SIGTERM);
  std::cout << "alive" << std::endl;
}

WEFT_CHILD_CASE("deadlock-after-stop-signals") {
  try {
    weft::run([] {
      const auto c = weft::notify_signals({SIGINT});
      weft::go([c] { weft::stop_signals(c); });
      c.recv();
      weft::chan<int>().recv();
    });
  } catch (const weft::deadlock_error&) {
    std::cout << "deadlock" << std::endl;
  }
}

}  // namespace

TEST_CASE("the default action is off, and back after stop_signals", "[death][signals]") {
  const auto child = run_child("signal-default-again");
  CHECK(child.signal == SIGINT);
  CHECK(child.out == "2\n");
}

TEST_CASE("SIGINT stops a run through a context", "[death][signals]") {
  const auto child = run_child("signal-context");
  CHECK(child.exit_code == 0);
  CHECK(child.out == "stopped\n");
}

TEST_CASE("a channel of signals that nobody keeps", "[death][signals]") {
  const auto child = run_child("signal-dropped-channel");
  CHECK(child.exit_code == 0);
  CHECK(child.out == "alive\n");
}

TEST_CASE("a deadlock is seen again once no signal can come", "[death][signals]") {
  const auto child = run_child("deadlock-after-stop-signals");
  CHECK(child.exit_code == 0);
  CHECK(child.out == "deadlock\n");
}
