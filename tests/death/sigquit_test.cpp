// SIGQUIT: the dump when it is asked for, and the process goes on.
#include "support/catch.hpp"
#include "support/child.hpp"
#include "unit/own_stderr.hpp"

#include <weft/weft.hpp>

#include <chrono>
#include <csignal>
#include <iostream>

#include <unistd.h>

using namespace std::chrono_literals;
using weft_test::contains;
using weft_test::run_child;

namespace {

// Until what SIGQUIT prints is there. It is said on stdout.
void with_somebody_parked(const weft::options& o) {
  weft_test::own_stderr err;
  weft::run(o, [&] {
    weft::chan<void> gate;
    auto waits = weft::spawn([&] {
      weft::this_goroutine::name("the one that waits");
      gate.recv();
    });
    while (weft::stats().parked < 1) weft::yield();
    kill(getpid(), SIGQUIT);
    std::cout << weft::blocking([&] { return err.wait_for("the one that waits"); });
    gate.send();
    waits.wait();
  });
  std::cout << "went on" << std::endl;
}

WEFT_CHILD_CASE("sigquit-option") {
  weft::options o;
  o.dump_on_sigquit = true;
  with_somebody_parked(o);
}
WEFT_CHILD_CASE("sigquit-environment") { with_somebody_parked({}); }

WEFT_CHILD_CASE("sigquit-nobody-asks") {
  weft::run([] {
    kill(getpid(), SIGQUIT);
    weft::sleep_for(1h);  // whichever thread gets the signal
  });
}

void earlier_handler(int) { [[maybe_unused]] const auto n = write(1, "earlier\n", 8); }

WEFT_CHILD_CASE("sigquit-restored") {
  std::signal(SIGQUIT, &earlier_handler);
  weft::options o;
  o.dump_on_sigquit = true;
  {
    weft::runtime other(o);
    weft::run(o, [] {});
    struct sigaction now {};
    sigaction(SIGQUIT, nullptr, &now);
    if (now.sa_handler == &earlier_handler) std::cout << "too early" << std::endl;
  }
  std::raise(SIGQUIT);
  std::cout << "end" << std::endl;
}

// Every worker is kept, and the run does not end.
WEFT_CHILD_CASE("sigquit-hang") {
  weft::options o;
  o.workers = 1;
  o.max_threads = 1;
  o.dump_on_sigquit = true;
  weft_test::own_stderr err;
  weft::run(o, [&] {
    weft::this_goroutine::name("busy main");
    kill(getpid(), SIGQUIT);
    std::cout << err.wait_for("busy main");
  });
}

}  // namespace

TEST_CASE("SIGQUIT prints the dump if options ask for it, and the process goes on",
          "[death][sigquit]") {
  const auto child = run_child("sigquit-option");
  CHECK(child.exit_code == 0);
  CHECK_THAT(child.out, contains("weft: SIGQUIT\n"));
  CHECK_THAT(child.out, contains("\"the one that waits\": parked in chan receive"));
  CHECK_THAT(child.out, contains("\nwent on\n"));
}

TEST_CASE("SIGQUIT prints the dump if the environment asks for it", "[death][sigquit]") {
  const auto child = run_child("sigquit-environment", {.env = {"WEFT_DUMP_ON_SIGQUIT=1"}});
  CHECK(child.exit_code == 0);
  CHECK_THAT(child.out, contains("\nwent on\n"));
  CHECK_THAT(child.out, contains("\"the one that waits\": parked in chan receive"));
}

TEST_CASE("SIGQUIT does what it did if nobody asks", "[death][sigquit]") {
  const auto child = run_child("sigquit-nobody-asks", {.env = {"WEFT_DUMP_ON_SIGQUIT=0"}});
  CHECK(child.signal == SIGQUIT);
  CHECK(child.err == "");
}

TEST_CASE("the handler that was there before SIGQUIT was weft's comes back", "[death][sigquit]") {
  const auto child = run_child("sigquit-restored");
  CHECK(child.exit_code == 0);
  CHECK(child.out == "earlier\nend\n");
  CHECK(child.err == "");
}

TEST_CASE("SIGQUIT prints the dump when every thread is kept", "[death][sigquit]") {
  const auto child = run_child("sigquit-hang");
  CHECK(child.exit_code == 0);
  CHECK_THAT(child.out, contains("\"busy main\": running"));
}
