// What an uncaught exception prints by default, and how the process ends then.
#include "support/catch.hpp"
#include "support/child.hpp"

#include <weft/weft.hpp>

#include <csignal>
#include <iostream>
#include <stdexcept>

using weft_test::contains;
using weft_test::run_child;

namespace {

WEFT_CHILD_CASE("uncaught-in-run") {
  weft::run([] {
    weft::go([] {
      weft::this_goroutine::name("the culprit");
      throw std::runtime_error("spilled milk");
    });
    weft::chan<int>().recv();
  });
}

WEFT_CHILD_CASE("uncaught-no-std-exception") {
  weft::run([] {
    weft::go([] {
      weft::this_goroutine::name("thrower of numbers");
      throw 17;
    });
    weft::chan<int>().recv();
  });
}

WEFT_CHILD_CASE("uncaught-on-the-default-runtime") {
  weft::go([] {
    weft::this_goroutine::name("far from home");
    throw std::logic_error("wrong turn");
  });
  weft::chan<int>().recv();
}

WEFT_CHILD_CASE("uncaught-dropped-handle") {
  weft::run([] {
    auto handle = weft::spawn([] { throw std::runtime_error("nobody asked"); });
    handle.wait();
  });
}

WEFT_CHILD_CASE("uncaught-in-a-wait-group") {
  weft::run([] {
    weft::wait_group group;
    group.go([] { throw std::runtime_error("one of the group"); });
    group.wait();
  });
}

WEFT_CHILD_CASE("uncaught-dump") {
  weft::run([] {
    weft::chan<void> started;
    weft::go([started] {
      weft::this_goroutine::name("innocent bystander");
      started.send();
      weft::chan<int>().recv();
    });
    started.recv();
    weft::go([] { throw std::runtime_error("with dump"); });
    weft::chan<int>().recv();
  });
}

WEFT_CHILD_CASE("main-throws") {
  try {
    weft::run([] { throw std::runtime_error("main's own"); });
  } catch (const std::runtime_error& e) {
    std::cout << "caught: " << e.what() << '\n';
  }
}

}  // namespace

TEST_CASE("an uncaught exception terminates and is named", "[death]") {
  auto child = run_child("uncaught-in-run");
  CHECK(child.signal == SIGABRT);
  CHECK_THAT(child.err, contains("spilled milk"));
  CHECK_THAT(child.err, contains("the culprit"));
}

TEST_CASE("what is no std::exception terminates, too", "[death]") {
  auto child = run_child("uncaught-no-std-exception");
  CHECK(child.signal == SIGABRT);
  CHECK_THAT(child.err, contains("thrower of numbers"));
}

TEST_CASE("uncaught on the default runtime", "[death]") {
  auto child = run_child("uncaught-on-the-default-runtime");
  CHECK(child.signal == SIGABRT);
  CHECK_THAT(child.err, contains("wrong turn"));
  CHECK_THAT(child.err, contains("far from home"));
}

TEST_CASE("uncaught because its handle was dropped", "[death]") {
  auto child = run_child("uncaught-dropped-handle");
  CHECK(child.signal == SIGABRT);
  CHECK_THAT(child.err, contains("nobody asked"));
}

TEST_CASE("uncaught in a wait group", "[death]") {
  auto child = run_child("uncaught-in-a-wait-group");
  CHECK(child.signal == SIGABRT);
  CHECK_THAT(child.err, contains("one of the group"));
}

TEST_CASE("the message comes with a dump", "[death]") {
  auto child = run_child("uncaught-dump");
  CHECK(child.signal == SIGABRT);
  CHECK_THAT(child.err, contains("with dump"));
  CHECK_THAT(child.err, contains("innocent bystander"));
}

TEST_CASE("main's exception is not uncaught", "[death]") {
  auto child = run_child("main-throws");
  CHECK(child.exit_code == 0);
  CHECK(child.out == "caught: main's own\n");
  CHECK(child.err == "");
}
