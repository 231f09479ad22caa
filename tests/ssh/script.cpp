#include <algorithm>

#include "script/dialog.hpp"
#include "script/launch.hpp"
#include "script/quote.hpp"
#include "support/catch.hpp"

using namespace ssh_runner;
using weft_test::contains;

namespace {

launch with_mark(bool waits) {
  launch l;
  l.mark = "<mark>";
  l.before = "before ";
  l.script = std::make_shared<const std::string>("script");
  l.after = " after";
  l.waits_for_greeting = waits;
  return l;
}

// All that may be sent now.
std::string sent(dialog& d) {
  std::string text;
  while (!d.to_send().empty()) {
    text += d.to_send().front();
    d.sent(1);
  }
  return text;
}

}  // namespace

TEST_CASE("quoting keeps any text one word") {
  CHECK(shell_quoted("a b") == "'a b'");
  CHECK(shell_quoted("it's") == "'it'\\''s'");
  CHECK(shell_quoted("") == "''");
  CHECK(is_variable_name("_A1"));
  for (const char* bad : {"", "1A", "A-B", "A B", "A=B"}) CHECK_FALSE(is_variable_name(bad));
}

TEST_CASE("the greeting is taken out of the output, in whatever pieces it comes") {
  const std::string all = "noise\n<mar <mark> 4711\nerror\n<mark> 1\n";
  for (std::size_t piece = 1; piece <= all.size(); ++piece) {
    dialog d(with_mark(false));
    std::string rest;
    for (std::size_t i = 0; i < all.size(); i += piece) d.read(all.substr(i, piece), rest);
    d.finish(rest);
    CHECK(rest == "noise\n<mar error\n<mark> 1\n");
    CHECK(d.pid() == 4711);
    CHECK(d.has_greeted());
  }
}

TEST_CASE("what only looks like a greeting is not lost") {
  dialog d(with_mark(false));
  std::string rest;
  d.read("<mar", rest);
  CHECK(rest.empty());
  d.finish(rest);
  CHECK(rest == "<mar");
  CHECK_FALSE(d.pid());
}

TEST_CASE("without a terminal or sudo the script goes at once") {
  dialog d(with_mark(false));
  CHECK_FALSE(d.at_end());
  CHECK(sent(d) == "before script after");
  CHECK(d.at_end());
}

TEST_CASE("else it waits for the greeting") {
  dialog d(with_mark(true));
  std::string rest;
  CHECK(d.to_send().empty());
  CHECK_FALSE(d.at_end());
  d.read("<mark> 4711\n", rest);
  CHECK(sent(d) == "before script after");
  CHECK(d.at_end());
}

TEST_CASE("a question for the password is answered once") {
  launch l = with_mark(true);
  l.sudo_password = secret("pass");
  dialog d(l);
  std::string rest;
  d.read("<mark>?", rest);
  CHECK(sent(d) == "pass\n");
  CHECK_FALSE(d.at_end());
  SECTION("and then the script goes") {
    d.read("<mark> 4711\nok", rest);
    CHECK(sent(d) == "before script after");
    CHECK(rest == "ok");
    CHECK(d.problem().empty());
  }
  SECTION("a second question means that it was wrong") {
    d.read("Sorry\n<mark>?", rest);
    CHECK(d.to_send().empty());
    CHECK(rest == "Sorry\n");
    CHECK(d.problem() == "sudo does not accept the password");
  }
}

TEST_CASE("a question without an answer is a problem") {
  dialog d(with_mark(true));
  std::string rest;
  d.read("<mark>?", rest);
  CHECK(d.problem() == "sudo wants a password");
}

TEST_CASE("empty parts are passed over") {
  launch l = with_mark(false);
  l.before = l.after = "";
  l.script = std::make_shared<const std::string>();
  dialog d(l);
  CHECK(d.to_send().empty());
  CHECK(d.at_end());
}

TEST_CASE("a command for the login shell has the inner one in single quotes") {
  script_settings asked;
  asked.text = "echo it's";
  asked.shell = "bash -l";
  asked.stop_on_error = true;
  asked.variables = {{"A", "x'y"}, {"B", ""}};
  const launcher made(asked);
  const launch l = made.for_host("web1");
  CHECK(l.command.starts_with("bash -l -c '"));
  CHECK(std::ranges::count(l.command, '\'') == 2);
  CHECK(l.before == "export SSH_RUNNER_HOST='web1'; export A='x'\\''y'; export B=''; set -e; ");
  CHECK(*l.script == "echo it's");
  CHECK_THAT(l.command, !contains("echo it"));
  CHECK(made.for_host("web2").script == l.script);
  CHECK_THAT(made.for_signal("TERM", 4711).command, contains("kill -s TERM"));
}

TEST_CASE("sudo stands before the shell, and nothing says the password") {
  script_settings asked;
  asked.text = "id";
  asked.sudo = true;
  asked.sudo_user = "www";
  asked.sudo_password = secret("geheim");
  const launcher made(asked);
  const launch l = made.for_host("web1");
  CHECK(l.command.starts_with("sudo -S -p '"));
  CHECK_THAT(l.command, contains("-u 'www' -- sh -c '"));
  CHECK_THAT(l.command, !contains("geheim"));
  CHECK(l.waits_for_greeting);
  CHECK_THAT(made.for_signal("KILL", 4711).command, !contains("geheim"));
}
