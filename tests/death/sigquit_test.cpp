// SIGQUIT: the dump when it is asked for, and the process goes on.
#include "support/catch.hpp"
#include "support/child.hpp"

#include <weft/weft.hpp>

#include <chrono>
#include <csignal>
#include <iostream>

#include <unistd.h>

using namespace std::chrono_literals;
using weft_test::contains;
using weft_test::run_child;

namespace {

void with_somebody_parked(const weft::options& o) {
  weft::run(o, [] {
    weft::chan<void> gate;
    auto waits = weft::spawn([&] {
      weft::this_goroutine::name("the one that waits");
      gate.recv();
    });
    while (weft::stats().parked < 1) weft::yield();
    kill(getpid(), SIGQUIT);
    weft::sleep_for(300ms);  // for the text; nothing depends on it but the test's expectation
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
  weft::run(o, [] {
    weft::this_goroutine::name("busy main");
    kill(getpid(), SIGQUIT);
    const auto until = std::chrono::steady_clock::now() + 300ms;
    while (std::chrono::steady_clock::now() < until) {
    }
  });
}

}  // namespace

TEST_CASE("SIGQUIT prints the dump if options ask for it, and the process goes on",
          "[death][sigquit]") {
  const auto child = run_child("sigquit-option");
  CHECK(child.exit_code == 0);
  CHECK(child.out == "went on\n");
  CHECK_THAT(child.err, contains("weft: SIGQUIT\n"));
  CHECK_THAT(child.err, contains("\"the one that waits\": parked in chan receive"));
}

TEST_CASE("SIGQUIT prints the dump if the environment asks for it", "[death][sigquit]") {
  const auto child = run_child("sigquit-environment", {.env = {"WEFT_DUMP_ON_SIGQUIT=1"}});
  CHECK(child.exit_code == 0);
  CHECK(child.out == "went on\n");
  CHECK_THAT(child.err, contains("\"the one that waits\": parked in chan receive"));
}

TEST_CASE("SIGQUIT does what it did if nobody asks", "[death][sigquit]") {
  const auto child = run_child("sigquit-environment", {.env = {"WEFT_DUMP_ON_SIGQUIT=0"}});
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
  CHECK_THAT(child.err, contains("\"busy main\": running"));
}
