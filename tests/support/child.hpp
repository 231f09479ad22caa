#pragma once

// Runs a piece of a test in a process of its own, for tests of how a process ends and for those
// that need one without other threads:
//
//   WEFT_CHILD_CASE("unlock-twice") { ... }
//
//   TEST_CASE("unlocking twice ...") {
//     const auto child = weft_test::run_child("unlock-twice");
//     REQUIRE(child.signal == SIGABRT);
//     REQUIRE_THAT(child.err, weft_test::contains("mutex"));
//   }
//
// The case runs in main, before Catch2 does anything; its return is exit status 0.

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace weft_test {

struct child_result {
  int exit_code = -1;  // -1: ended by a signal
  int signal = 0;      // 0: ended by itself
  bool timed_out = false;
  std::string out;
  std::string err;
};

struct child_options {
  std::vector<std::string> env{};  // "NAME=value", added to this process's environment
  std::chrono::seconds limit{60};  // five times as long under a sanitizer; then it is killed
};

child_result run_child(std::string_view name, const child_options& options = {});

struct child_case {
  child_case(std::string_view name, void (*function)());
};

// For main: runs the case that the arguments name. False: they name none.
bool run_as_child(int argc, char** argv);

}  // namespace weft_test

#define WEFT_CHILD_CASE_DEFINE(name, line)                                              \
  static void weft_child_case_##line();                                                 \
  static const ::weft_test::child_case weft_child_##line(name, weft_child_case_##line); \
  static void weft_child_case_##line()
#define WEFT_CHILD_CASE_EXPAND(name, line) WEFT_CHILD_CASE_DEFINE(name, line)
#define WEFT_CHILD_CASE(name) WEFT_CHILD_CASE_EXPAND(#name, __LINE__)
