#include "hosts/target.hpp"

#include <cstdlib>
#include <sstream>

#include "hosts/host_list.hpp"

#include "support/catch.hpp"

using namespace ssh_runner;

namespace {

std::string shown(const target& t) {
  return t.said.user + '|' + t.host + '|' + std::to_string(t.said.port);
}

std::string refusal(const std::string& text) {
  try {
    return "accepted: " + shown(parse_target(text));
  } catch (const bad_target& error) {
    return error.what();
  }
}

std::vector<target> listed(const std::string& text, const std::string& input = {}) {
  const inventory none;
  std::istringstream standard_input(input);
  host_list list(none, standard_input);
  list.add(text);
  return list.targets();
}

std::vector<std::string> labels(const std::string& list) {
  std::vector<target> targets = listed(list);
  for (target& t : targets)
    if (t.said.port == 0) t.said.port = 22;
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

TEST_CASE("labels say what is needed to tell hosts apart") {
  CHECK(labels("a,b,::1") == strings{"a", "b", "[::1]"});
  CHECK(labels("a,a:2222,b") == strings{"a:22", "a:2222", "b"});
  CHECK(labels("::1,[::1]:2222") == strings{"[::1]:22", "[::1]:2222"});
  CHECK(labels("x@a,y@a") == strings{"x@a", "y@a"});
  CHECK(labels("x@a:1,y@a:1,x@a:2") == strings{"x@a:1", "y@a:1", "x@a:2"});
}

TEST_CASE("a host that is given twice is one host") {
  CHECK(labels("a,b,a:22") == strings{"a", "b"});
}

TEST_CASE("what is said of a host") {
  host_attributes said;
  ::setenv("SSH_PARTS_PASSWORD", "from the environment", 1);
  said.set("user", "me");
  said.set("port", "2222");
  said.set("key", "a");
  said.set("key", "b");
  said.set("password_env", "SSH_PARTS_PASSWORD");
  CHECK(said.port == 2222);
  CHECK(said.keys == strings{"a", "b"});
  CHECK(said.password->reveal() == "from the environment");
  CHECK_THROWS_AS(said.set("colour", "red"), bad_target);
  CHECK_THROWS_AS(said.set("port", "0"), bad_target);
  CHECK_THROWS_AS(said.set("password_env", "SSH_PARTS_NO_SUCH_VARIABLE"), bad_target);
  CHECK_THROWS_AS(said.set("password_file", "no such file"), bad_target);

  host_attributes other;
  other.user = "you";
  other.jump = "gate";
  said.complete_with(other);
  CHECK(said.user == "me");
  CHECK(said.jump == "gate");
}
