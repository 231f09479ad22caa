#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "report/exit_status.hpp"
#include "settings/env_file.hpp"
#include "settings/environment.hpp"
#include "settings/usage_error.hpp"
#include "support/catch.hpp"
#include "text/duration.hpp"

using namespace ssh_runner;
using weft_test::contains;
using namespace std::chrono_literals;

TEST_CASE("durations") {
  CHECK(parse_duration("10") == 10s);
  CHECK(parse_duration("0") == 0s);
  CHECK(parse_duration("1.5s") == 1500ms);
  CHECK(parse_duration("250ms") == 250ms);
  CHECK(parse_duration("2m") == 120s);
  CHECK(parse_duration("1h") == 1h);
  CHECK(parse_duration("1h30m") == 90min);
  CHECK(parse_duration("1m0.5s") == 60500ms);
  for (const char* bad : {"", "s", "abc", "-1", "1x", "1s2s3", "1..2", "1m2", "m1", "1 s", "inf",
                          "nan", "1e99", "9999999h"})
    CHECK(parse_duration(bad) == std::nullopt);
}

TEST_CASE("times read well") {
  CHECK(in_seconds(1500ms) == "1.5 s");
  CHECK(in_seconds(2s) == "2 s");
  CHECK(in_seconds(250ms) == "0.25 s");
}

TEST_CASE("the worst host decides the exit status") {
  const auto with = [](std::initializer_list<verdict> outcomes) {
    std::vector<result> results;
    for (const verdict v : outcomes) results.emplace_back().outcome = v;
    return exit_status(results);
  };
  using enum verdict;
  CHECK(with({ok, ok}) == 0);
  CHECK(with({ok, command_failed}) == 1);
  CHECK(with({not_connected, command_failed}) == 3);
  CHECK(with({not_connected, timed_out, ok}) == 4);
  CHECK(with({host_key_refused, timed_out, command_failed}) == 5);
}

TEST_CASE("the highest status is that of a script, and never 0 when a host failed") {
  const auto of = [](verdict outcome, std::optional<int> code) {
    std::vector<result> results(2);
    results[0].outcome = verdict::ok;
    results[0].exit_code = 0;
    results[1].outcome = outcome;
    results[1].exit_code = code;
    return highest_exit_status(results);
  };
  using enum verdict;
  CHECK(of(ok, 0) == 0);
  CHECK(of(command_failed, 42) == 42);
  CHECK(of(not_connected, std::nullopt) == 255);
  CHECK(of(not_run, std::nullopt) == 255);
  CHECK(of(timed_out, 0) == 1);  // a script that says 0 when it is ended
  CHECK(of(timed_out, 143) == 143);
}

TEST_CASE("files of variables") {
  std::istringstream text(R"(# a comment

A=plain # with a comment
export B = 'single $A \n # kept'
C="double \"$A\"\n#${B_}x\$A"
D: as in YAML
E=
F=$A-${A}$ c:\dir
G='two
lines' # and a comment
A=again
a.b=dot
2=x
H=pa$sword $Ab-${A}$A}${lower}
I=C# # not this # this
J=tab	# this
K='it\'s # kept'
)");
  const auto found = parse_env_file(text, "file");
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"A", "plain"},
      {"B", "single $A \\n # kept"},
      {"C", "double \"plain\"\n#x$A"},
      {"D", "as in YAML"},
      {"E", ""},
      {"F", "plain-plain$ c:\\dir"},
      {"G", "two\nlines"},
      {"A", "again"},
      {"a.b", "dot"},
      {"2", "x"},
      {"H", "pa$sword againb-againagain${lower}"},
      {"I", "C# # not this"},
      {"J", "tab"},
      {"K", "it\\'s # kept"}};
  CHECK(found == expected);
  const auto message = [](const char* bad) {
    std::istringstream in(bad);
    try {
      parse_env_file(in, "file");
    } catch (const usage_error& error) {
      return std::string(error.what());
    }
    return std::string("fine");
  };
  CHECK(message("A=1\ngeheim") == "file:2: NAME=value is expected");
  CHECK(message("A B=1") == "file:1: NAME=value is expected");
  CHECK(message("\nA='1\n") == "file:3: a quote is not closed");
}

TEST_CASE("of a name that a file of variables has twice the last one counts") {
  const auto file =
      std::filesystem::temp_directory_path() / ("weft-ssh-env-" + std::to_string(::getpid()));
  std::ofstream(file) << "WEFT_TEST_TWICE=first\nWEFT_TEST_TWICE=last\nWEFT_TEST_SET=file\n";
  ::setenv("WEFT_TEST_SET", "before", 1);
  read_env_file(file.string(), false);
  CHECK(environment("WEFT_TEST_TWICE") == "last");
  CHECK(environment("WEFT_TEST_SET") == "before");
  read_env_file(file.string(), true);
  CHECK(environment("WEFT_TEST_SET") == "file");
  std::filesystem::remove(file);
}
