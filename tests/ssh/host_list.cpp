#include "hosts/host_list.hpp"

#include <sstream>

#include "hosts/host_pattern.hpp"
#include "hosts/name_ranges.hpp"
#include "support/catch.hpp"

using namespace ssh_runner;
using weft_test::contains;

namespace {

using strings = std::vector<std::string>;

std::string joined(const strings& names) {
  std::string text;
  for (const std::string& name : names) text.append(text.empty() ? "" : " ").append(name);
  return text;
}

std::string expanded(const std::string& pattern) { return joined(expand_ranges(pattern)); }

std::string shown(const std::vector<target>& targets) {
  strings names;
  for (const target& t : targets) {
    std::string name = t.said.user.empty() ? t.host : t.said.user + '@' + t.host;
    if (t.said.port != 0) name += ':' + std::to_string(t.said.port);
    names.push_back(name);
  }
  return joined(names);
}

class lister {
 public:
  explicit lister(const std::string& yaml = {}, const std::string& input = {})
      : known_(parse_inventory(yaml, "inventory")), input_(input) {}
  host_list make() { return {known_, input_}; }
  std::vector<target> list(const std::string& text) {
    host_list hosts = make();
    hosts.add(text);
    return hosts.targets();
  }

 private:
  inventory known_;
  std::istringstream input_;
};

}  // namespace

TEST_CASE("ranges of numbers") {
  CHECK(expanded("web") == "web");
  CHECK(expanded("web[1-3]") == "web1 web2 web3");
  CHECK(expanded("web[08-11,30]-eth0") == "web08-eth0 web09-eth0 web10-eth0 web11-eth0 web30-eth0");
  CHECK(expanded("n[1-9/4]") == "n1 n5 n9");
  CHECK(expanded("n[1-5/18446744073709551615]") == "n1");
  CHECK(expanded("n[18446744073709551613-18446744073709551615]") ==
        "n18446744073709551613 n18446744073709551614 n18446744073709551615");
  CHECK(expanded("n[01-05/2,7]") == "n01 n03 n05 n7");
  CHECK(expanded("r[1-2]n[1-2].dc") == "r1n1.dc r1n2.dc r2n1.dc r2n2.dc");
  CHECK(expanded("me@web[1-2]:2222") == "me@web1:2222 me@web2:2222");
  CHECK(expanded("10.0.0.[1-2]") == "10.0.0.1 10.0.0.2");
  CHECK(expanded("n[998-1001]") == "n998 n999 n1000 n1001");
}

TEST_CASE("an IPv6 address in brackets is no range") {
  CHECK(expanded("[::1]:22") == "[::1]:22");
  CHECK(expanded("me@[fe80::1%eth0]") == "me@[fe80::1%eth0]");
}

TEST_CASE("a bad range is named") {
  for (const char* bad : {"a[3-1]", "a[1-2-3]", "a[1-3/0]", "a[,]", "a[1,]", "a[-]", "a[x]", "a[]",
                          "a[1-9999999]", "a[1-400]b[1-400]", "a[99999999999999999999]"}) {
    INFO(bad);
    CHECK_THROWS_WITH(expand_ranges(bad), contains(std::string("'") + bad));
  }
}

TEST_CASE("names are folded to ranges, which are the same names again") {
  CHECK(fold_names({"web3", "web1", "web2", "db1"}) == "db1,web[1-3]");
  CHECK(fold_names({"a1", "a2"}) == "a[1,2]");
  CHECK(fold_names({"web08", "web09", "web10", "web11"}) == "web[08-11]");
  CHECK(fold_names({"web1", "web01"}) == "web01,web1");
  CHECK(fold_names({"a", "b", "a"}) == "a,b");
  CHECK(fold_names({"10.0.0.2", "10.0.0.1", "10.0.1.1"}) == "10.0.0.[1,2],10.0.1.1");
  CHECK(fold_names({"h:22", "h:2222"}) == "h:22,h:2222");
  CHECK(fold_names({"[::1]:22", "[::2]:22"}) == "[::1]:22,[::2]:22");
  CHECK(fold_names({"n1-eth0", "n2-eth0"}) == "n1-eth0,n2-eth0");
  CHECK(fold_names({}).empty());
  for (const char* pattern : {"web[01-20,30]", "n[1-9/2]", "x[0-120]", "a[00-12]"}) {
    const strings names = expand_ranges(pattern);
    strings again;
    for (const std::string& part : split_host_list(fold_names(names)))
      for (std::string& name : expand_ranges(part)) again.push_back(std::move(name));
    CHECK(joined(again) == joined(names));
  }
}

TEST_CASE("globs") {
  CHECK(matches_glob("*", ""));
  CHECK(matches_glob("web*.dc?", "web12.dc1"));
  CHECK(matches_glob("*a*b*", "xxaxxbxx"));
  CHECK_FALSE(matches_glob("web?", "web"));
  CHECK_FALSE(matches_glob("a*b", "abc"));
  CHECK_FALSE(matches_glob("", "a"));
  CHECK_FALSE(matches_glob("*a*a*a*a*a*a*a*a*b", std::string(5000, 'a')));
}

TEST_CASE("lists have commas and blanks, and ranges with commas in them") {
  lister l;
  CHECK(shown(l.list("a, b:22,,c@[::1]:23 web[1,3]\n")) == "a b:22 c@::1:23 web1 web3");
  CHECK(l.list("").empty());
  CHECK_THROWS_AS(l.list("a,b:x"), bad_target);
}

TEST_CASE("exclusion by name, range, glob, with user or port") {
  lister l;
  CHECK(shown(l.list("web[1-5],!web[2-3]")) == "web1 web4 web5");
  CHECK(shown(l.list("!web1,web1,web2")) == "web2");
  CHECK(shown(l.list("web1,db1,db2,!db*")) == "web1");
  CHECK(shown(l.list("a:1,a:2,x@b,!a:1,!x@b")) == "a:2");
}

TEST_CASE("groups, of groups, with what their hosts need") {
  lister l(
      "groups:\n"
      "  web: web[1-3]\n"
      "  db: {hosts: ['db[1-2]', '!db1'], user: postgres, jump: gate}\n"
      "  all: {hosts: '@web,@db', user: root, port: 2222}\n"
      "hosts:\n"
      "  web[2-3]: {port: 22, key: [a, b]}\n");
  CHECK(shown(l.list("@web,other")) == "web1 web2:22 web3:22 other");
  const auto all = l.list("@all,me@web1");
  CHECK(shown(all) == "root@web1:2222 root@web2:22 root@web3:22 postgres@db2:2222 me@web1");
  CHECK(all[3].said.jump == "gate");
  CHECK(all[1].said.keys == strings{"a", "b"});
  CHECK(shown(l.list("@all,!@web")) == "postgres@db2:2222");
  CHECK_THROWS_WITH(l.list("@cdn"), contains("no group 'cdn'"));
}

TEST_CASE("a bad inventory is named with its line") {
  const auto refusal = [](const std::string& yaml) {
    try {
      parse_inventory(yaml, "inv.yaml");
    } catch (const bad_target& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  CHECK(refusal("groups:\n  a: {hosts: b, colour: red}\n").starts_with("inv.yaml:2: 'colour'"));
  CHECK(refusal("hosts:\n  a:\n    port: 99999\n").starts_with("inv.yaml:3: "));
  CHECK(refusal("machines: {}\n").starts_with("inv.yaml:1: 'machines'"));
  CHECK(refusal("groups: [\n").starts_with("inv.yaml:"));
  CHECK(refusal("") == "accepted");
  lister l("groups: {a: '@b', b: '@a'}");
  CHECK_THROWS_WITH(l.list("@a"), contains("@a is in itself"));
}

TEST_CASE("lines have comments, and attributes behind the hosts") {
  lister l({}, "# all of them\n\n  web[1-2] port=2222 user=me # the first\r\nroot@web3:22");
  CHECK(shown(l.list("-")) == "me@web1:2222 me@web2:2222 root@web3:22");
}

TEST_CASE("a bad line is named with its place") {
  CHECK_THROWS_WITH(
      lister({}, "web1\nweb2:x\n").list("-"),
      "standard input:2: bad host 'web2:x': the port must be a number from 1 to 65535");
  CHECK_THROWS_WITH(lister({}, "web 3\n").list("-"),
                    contains("1: bad host 'web': word 2 of its line"));
  CHECK_THROWS_WITH(lister({}, "web1 color=red\n").list("-"), contains("'color'"));
  CHECK_THROWS_WITH(lister().list("^/no/such/file"), "cannot read /no/such/file");
}

TEST_CASE("a line with a password where its hosts should be is not shown") {
  for (const char* line :
       {"password=geheim web1\n", "pasword=geheim\n", "password=geheim user=me\n"})
    CHECK_THROWS_WITH(
        lister({}, line).list("-"),
        "standard input:1: a line begins with its hosts, and name=value comes after them");
}

TEST_CASE("a password in a line: no blank cuts it, and no error shows it") {
  CHECK(shown(lister({}, "web1 password=ab#cd user=me # not this\n").list("-")) == "me@web1");
  const auto targets = lister({}, "web1 password=ab#cd\n").list("-");
  REQUIRE(targets.size() == 1);
  REQUIRE(targets[0].said.password);
  CHECK(targets[0].said.password->reveal() == "ab#cd");
  for (const char* line : {"web1 password=my secret\n", "web1 password=my se=cret\n"}) {
    try {
      lister({}, line).list("-");
      FAIL("accepted");
    } catch (const std::invalid_argument& error) {
      CHECK(std::string(error.what()).find("cret") == std::string::npos);
    }
  }
}
