#include "hosts/ssh_config.hpp"

#include <sstream>

#include "support/catch.hpp"

using namespace ssh_runner;
using weft_test::contains;
using namespace std::chrono_literals;

namespace {

using strings = std::vector<std::string>;

ssh_config from(const std::string& text) {
  ssh_config config("/me", "me");
  std::istringstream lines(text);
  config.read(lines, "config");
  return config;
}

}  // namespace

TEST_CASE("the first value that is found holds") {
  const auto config = from(
      "Host web1\n  User first\n  Port 2222\n"
      "Host web* !web3\n  User second\n  HostName %h.example.org\n"
      "Host *\n  User third\n  ConnectTimeout 1m30s\n");
  const auto web1 = config.look_up("web1");
  CHECK(web1.user == "first");
  CHECK(web1.port == 2222);
  CHECK(web1.host_name == "web1.example.org");
  CHECK(web1.connect_timeout == 90s);
  CHECK(config.look_up("web2").user == "second");
  CHECK(config.look_up("web3").user == "third");
  CHECK_FALSE(config.look_up("web3").host_name);
}

TEST_CASE("what stands before the first Host is for all") {
  CHECK(from("User = all\nHost a\nUser b\n").look_up("a").user == "all");
}

TEST_CASE("all options that are read") {
  const auto h = from(
                     "host x\n\tIdentityFile ~/.ssh/%r_%h\n identityfile=\"/keys/with blank\"\n"
                     "IDENTITIESONLY yes\nProxyJump a,b:22\nUserKnownHostsFile ~/kh1 %d/kh2\n"
                     "GlobalKnownHostsFile /etc/kh\nStrictHostKeyChecking Accept-New\n"
                     "HostKeyAlias alias\nServerAliveInterval 15\nServerAliveCountMax 4\n"
                     "IdentityAgent none # comment\nUser you\nForwardAgent yes\n")
                     .look_up("x");
  CHECK(h.identity_files == strings{"/me/.ssh/you_x", "/keys/with blank"});
  CHECK(h.identities_only == true);
  CHECK(h.proxy_jump == "a,b:22");
  CHECK(h.known_hosts_files == strings{"/me/kh1", "/me/kh2"});
  CHECK(h.global_known_hosts_files == strings{"/etc/kh"});
  CHECK(h.strict_host_key_checking == "accept-new");
  CHECK(h.host_key_alias == "alias");
  CHECK(h.alive_interval == 15s);
  CHECK(h.alive_count == 4);
  CHECK(h.identity_agent == "none");
}

TEST_CASE("a user that is known already takes the place of %r") {
  CHECK(from("IdentityFile /k/%r\nUser you\n").look_up("x", "root").identity_files ==
        strings{"/k/root"});
}

TEST_CASE("of ProxyJump and ProxyCommand the first hides the other") {
  CHECK_FALSE(from("ProxyJump a\nProxyCommand nc %h\n").look_up("x").proxy_command);
  CHECK(from("ProxyCommand nc %h 22\nProxyJump a\n").look_up("x").proxy_command == "nc %h 22");
}

TEST_CASE("Match is skipped aloud, but for Match all") {
  const auto config = from("Match host x\n  User a\nHost y\n  User b\nMatch all\n  Port 7\n");
  CHECK_FALSE(config.look_up("x").user);
  CHECK(config.look_up("y").user == "b");
  CHECK(config.look_up("x").port == 7);
  REQUIRE(config.warnings().size() == 1);
  CHECK(config.warnings()[0] == "config:1: Match is not understood, and skipped");
}

TEST_CASE("a bad line is named") {
  CHECK_THROWS_WITH(from("Host a\nPort many\n").look_up("a"), contains("config:2: 'many'"));
  CHECK_THROWS_WITH(from("ConnectTimeout 3x\n").look_up("a"), contains("'3x'"));
  CHECK_THROWS_WITH(from("IdentitiesOnly maybe\n").look_up("a"), contains("'maybe'"));
  CHECK_THROWS_WITH(from("User\n"), contains("config:1: user has no value"));
  CHECK_THROWS_WITH(from("User \"a\n"), contains("quote"));
  ssh_config config("/me", "me");
  CHECK_THROWS_AS(config.read(std::filesystem::path("/no/such/file"), true), bad_config);
  CHECK_NOTHROW(config.read(std::filesystem::path("/no/such/file")));
}
