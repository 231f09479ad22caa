// Tests of the tests' own support.

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <stdexcept>
#include <string>

#include <weft/os.hpp>

#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/fd_count.hpp"
#include "support/scale.hpp"

namespace {

WEFT_CHILD_CASE("says-both") {
  std::cout << "to stdout\n";
  std::cerr << "to stderr\n";
}

WEFT_CHILD_CASE("exits-7") { std::exit(7); }

WEFT_CHILD_CASE(throws) { throw std::runtime_error("thrown on purpose"); }

WEFT_CHILD_CASE("prints-variable") { std::cout << std::getenv("WEFT_TEST_VARIABLE"); }

WEFT_CHILD_CASE("prints-much") {
  for (int i = 0; i < 1000; ++i) {
    std::cout << std::string(1000, 'o');
    std::cerr << std::string(1000, 'e');
  }
}

WEFT_CHILD_CASE("hangs") {
  for (;;) pause();
}

}  // namespace

TEST_CASE("a child's streams and status come back") {
  const auto child = weft_test::run_child("says-both");
  REQUIRE(child.exit_code == 0);
  REQUIRE(child.signal == 0);
  REQUIRE_FALSE(child.timed_out);
  REQUIRE(child.out == "to stdout\n");
  REQUIRE(child.err == "to stderr\n");
}

TEST_CASE("a child's exit code comes back") {
  REQUIRE(weft_test::run_child("exits-7").exit_code == 7);
}

TEST_CASE("a child that throws ends by SIGABRT, with the message") {
  const auto child = weft_test::run_child("throws");
  REQUIRE(child.exit_code == -1);
  REQUIRE(child.signal == SIGABRT);
  REQUIRE_THAT(child.err, weft_test::contains("thrown on purpose"));
}

TEST_CASE("a child gets the variables that it is given") {
  const auto child = weft_test::run_child("prints-variable", {.env = {"WEFT_TEST_VARIABLE=a=b"}});
  REQUIRE(child.out == "a=b");
}

TEST_CASE("a child may print more than a pipe holds") {
  const auto child = weft_test::run_child("prints-much");
  REQUIRE(child.out.size() == 1'000'000);
  REQUIRE(child.err.size() == 1'000'000);
}

TEST_CASE("a child case that does not exist is named") {
  const auto child = weft_test::run_child("no-such-case");
  REQUIRE(child.exit_code == 125);
  REQUIRE_THAT(child.err, weft_test::contains("no-such-case"));
}

TEST_CASE("a hung process tells so and aborts") {
  const auto child = weft_test::run_child("hangs", {.env = {"WEFT_TEST_TIMEOUT=1"}});
  REQUIRE(child.signal == SIGABRT);
  REQUIRE_THAT(child.err, weft_test::contains("the test hangs"));
}

TEST_CASE("running a child leaks no descriptor") {
  const auto before = weft_test::fd_count();
  weft_test::run_child("exits-7");
  REQUIRE(weft_test::fd_count() == before);
  const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  REQUIRE(weft_test::fd_count() == before + 1);
  close(fd);
}

// Not run but by the next.
TEST_CASE("leaves a descriptor and a child", "[.leaves]") {
  CHECK(open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0);
  if (fork() == 0) _exit(0);
}

TEST_CASE("a case that leaves a descriptor or a child fails its program") {
  // By its name: under memcheck the link cannot be run.
  weft::command itself(std::filesystem::read_symlink("/proc/self/exe").string(), {"[.leaves]"});
  itself.stdout_to(weft::stdio::null).stderr_to(weft::stdio::pipe).start();
  const std::string says = itself.stderr_pipe().read_all();
  REQUIRE(itself.wait().code == 1);
  REQUIRE_THAT(says, weft_test::contains("LEFT BEHIND by \"leaves a descriptor and a child\": a child;"));
  REQUIRE_THAT(says, weft_test::contains("-> /dev/null"));
}

TEST_CASE("scaled never gives zero") {
  REQUIRE(weft_test::scaled(1) == 1);
  REQUIRE(weft_test::scaled(1000) == 1000 / WEFT_TEST_SLOW_FACTOR);
}
