#include "target.hpp"

#include <sstream>

#include "support/catch.hpp"

using namespace ssh_runner;

namespace {

std::string shown(const target& t) { return t.user + '|' + t.host + '|' + std::to_string(t.port); }

std::string refusal(const std::string& text) {
  try {
    return "accepted: " + shown(parse_target(text));
  } catch (const bad_target& error) {
    return error.what();
  }
}

std::vector<std::string> labels(std::vector<target> targets) {
  for (target& t : targets)
    if (t.port == 0) t.port = 22;
  label_targets(targets);
  std::vector<std::string> result;
  for (const target& t : targets) result.push_back(t.label);
  return result;
}

using strings = std::vector<std::string>;

}  // namespace

TEST_CASE("a host may have a user and a port") {
  CHECK(shown(parse_target("web1")) == "|web1|0");
  CHECK(shown(parse_target("web1:2222")) == "|web1|2222");
  CHECK(shown(parse_target("root@web1")) == "root|web1|0");
  CHECK(shown(parse_target(" me@example.org@web1:65535 ")) == "me@example.org|web1|65535");
  CHECK(shown(parse_target("10.0.0.1:1")) == "|10.0.0.1|1");
}

TEST_CASE("IPv6 goes with brackets and without") {
  CHECK(shown(parse_target("::1")) == "|::1|0");
  CHECK(shown(parse_target("[::1]")) == "|::1|0");
  CHECK(shown(parse_target("user@[::1]:22")) == "user|::1|22");
  CHECK(shown(parse_target("user@fe80::1%eth0")) == "user|fe80::1%eth0|0");
}

TEST_CASE("a bad host is named") {
  for (const char* bad :
       {"", "@web1", "root@", "web1:", "web1:0", "web1:65536", "web1:22x", "web1:-1", "[::1",
        "[::1]22", "[]:22", "[::1]:", "web 1", "-oProxyCommand=x", "a/b", "a;b"}) {
    INFO(bad);
    CHECK(refusal(bad).starts_with("bad host '" + std::string(bad) + "': "));
  }
}

TEST_CASE("lists are split at commas") {
  const auto targets = parse_target_list("a,b:22,c@[::1]:23");
  REQUIRE(targets.size() == 3);
  CHECK(shown(targets[2]) == "c|::1|23");
  CHECK_THROWS_AS(parse_target_list("a,,b"), bad_target);
  CHECK_THROWS_AS(parse_target_list(""), bad_target);
}

TEST_CASE("a file of hosts has comments and blank lines") {
  std::istringstream file("# all of them\n\n  web1  # the first\r\nroot@web2:22");
  const auto targets = read_targets(file, "hosts.txt");
  REQUIRE(targets.size() == 2);
  CHECK(shown(targets[0]) == "|web1|0");
  CHECK(shown(targets[1]) == "root|web2|22");
}

TEST_CASE("a bad line of a file is named with its place") {
  std::istringstream file("web1\nweb2:x\n");
  CHECK_THROWS_WITH(read_targets(file, "hosts.txt"),
                    "hosts.txt:2: bad host 'web2:x': the port must be a number from 1 to 65535");
}

TEST_CASE("labels say what is needed to tell hosts apart") {
  CHECK(labels(parse_target_list("a,b,::1")) == strings{"a", "b", "[::1]"});
  CHECK(labels(parse_target_list("a,a:2222,b")) == strings{"a:22", "a:2222", "b"});
  CHECK(labels(parse_target_list("::1,[::1]:2222")) == strings{"[::1]:22", "[::1]:2222"});
  CHECK(labels(parse_target_list("x@a,y@a")) == strings{"x@a", "y@a"});
  CHECK(labels(parse_target_list("x@a:1,y@a:1,x@a:2")) == strings{"x@a:1", "y@a:1", "x@a:2"});
}

TEST_CASE("a host that is given twice is one host") {
  CHECK(labels(parse_target_list("a,b,a:22")) == strings{"a", "b"});
}
