#include "output/host_output.hpp"

#include <cerrno>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <system_error>

#include "hosts/host_pattern.hpp"
#include "output/board.hpp"
#include "output/fold.hpp"
#include "report/advice.hpp"
#include "report/summary.hpp"
#include "support/catch.hpp"
#include "text/base64.hpp"
#include "text/line_diff.hpp"

using namespace ssh_runner;
using weft_test::contains;

namespace {

planned_host host(const std::string& label) {
  auto to = std::make_shared<endpoint>();
  to->name = to->address = label;
  to->user = "me";
  return {label, to, label, {}};
}

std::string shown(renderer& r, stream where, const std::vector<std::string>& lines) {
  std::string text;
  r.begin(where, std::chrono::system_clock::now());
  for (const std::string& line : lines) r.line(line, text);
  return text;
}

using views = std::vector<std::string_view>;

}  // namespace

TEST_CASE("base64") {
  CHECK(base64("").empty());
  CHECK(base64("f") == "Zg==");
  CHECK(base64("fo") == "Zm8=");
  CHECK(base64("foo") == "Zm9v");
  CHECK(base64("\xff\xfe") == "//4=");
}

TEST_CASE("prefixes by format") {
  const planned_host web = host("web1");
  prefix_settings asked;
  CHECK(shown(*make_prefix_renderer(web, 3, asked), stream::out, {"a", ""}) == "web1: a\nweb1: \n");
  asked.format = "{index} {user}@{host}:{port} {stream}> ";
  CHECK(shown(*make_prefix_renderer(web, 3, asked), stream::err, {"a"}) ==
        "3 me@web1:22 stderr> a\n");
  asked.format = "{label:>6}|";
  CHECK(shown(*make_prefix_renderer(web, 3, asked), stream::out, {"a"}) == "  web1|a\n");
  asked.format = "";
  CHECK(shown(*make_prefix_renderer(web, 3, asked), stream::out, {"a"}) == "a\n");
  asked.format = "{time:%Y} ";
  CHECK(shown(*make_prefix_renderer(web, 3, asked), stream::out, {"a"}).starts_with("20"));
  asked.format = "x ";
  asked.colour_stdout = true;
  CHECK(shown(*make_prefix_renderer(web, 0, asked), stream::out, {"a"}) == "\033[36mx \033[0ma\n");
  CHECK(shown(*make_prefix_renderer(web, 0, asked), stream::err, {"a"}) == "x a\n");
}

TEST_CASE("a bad format is told") {
  CHECK(check_prefix("{label}: ").empty());
  CHECK_FALSE(check_prefix("{nonsense}").empty());
  CHECK_FALSE(check_prefix("{label").empty());
}

TEST_CASE("names of files stay in their directory, one for each host") {
  CHECK(file_name("web1", 0) == "web1");
  CHECK(file_name("me@[::1]:2222", 0) == "me@[::1]:2222");
  CHECK(file_name("../../x@web1", 0) == "..%2F..%2Fx@web1");
  CHECK(file_name("..%2F..%2Fx@web1", 0) == "..%252F..%252Fx@web1");
  CHECK(file_name("a\x1b\n\x7f", 0) == "a%1B%0A%7F");
  const std::string longest(240, 'a');
  CHECK(file_name(longest, 1) == longest);
  CHECK(file_name(longest + 'b', 1).size() == 240);
  CHECK(file_name(longest + 'b', 1) != file_name(longest + 'c', 11));
  CHECK(file_name(longest + 'b', 1) != file_name(file_name(longest + 'b', 1), 2));
}

namespace {

struct failing_recorder : recorder {
  void line(stream, std::string_view) override {
    throw std::system_error(ENOSPC, std::generic_category(), "full.out");
  }
};
struct listing_recorder : recorder {
  explicit listing_recorder(std::string& to) : list(to) {}
  void line(stream, std::string_view text) override { list.append(text) += ';'; }
  std::string& list;
};

}  // namespace

TEST_CASE("what cannot be kept in one place is still kept in the others") {
  std::string list;
  std::vector<std::unique_ptr<recorder>> kept;
  kept.push_back(std::make_unique<failing_recorder>());
  kept.push_back(std::make_unique<listing_recorder>(list));
  host_output output(nullptr, std::move(kept));
  text_block block;
  output.take(stream::out, "a\nb\nc", block);
  output.finish(stream::out, block);
  CHECK(list == "a;b;c;");
  CHECK_THAT(output.problem(), contains("full.out: No space left on device"));
}

TEST_CASE("JSON has each line, whatever is in it") {
  const planned_host web = host("web1");
  const auto r = make_json_renderer(web);
  const std::string text = shown(*r, stream::err, {"a \"quoted\" \\ line\t", "b\xff"});
  const auto end = text.find('\n');
  const auto first = nlohmann::json::parse(text.substr(0, end));
  CHECK(first["host"] == "web1");
  CHECK(first["stream"] == "stderr");
  CHECK(first["line"] == "a \"quoted\" \\ line\t");
  CHECK_FALSE(first.contains("base64"));
  const auto second = nlohmann::json::parse(text.substr(end + 1));
  CHECK(second["base64"] == "Yv8=");
  CHECK(r->shown_on(stream::err) == stream::out);

  result ended;
  ended.fail(verdict::command_failed, phase::command, "exit status 3");
  ended.exit_code = 3;
  std::string last;
  r->ended(ended, last);
  const auto object = nlohmann::json::parse(last);
  CHECK(object["outcome"] == "failed");
  CHECK(object["phase"] == "command");
  CHECK(object["exit_status"] == 3);
  CHECK(object["cause"] == "exit status 3");
}

TEST_CASE("identical outputs are folded") {
  folder f;
  std::vector<std::unique_ptr<recorder>> recorders;
  for (const std::string& name : expand_ranges("web[01-05]")) {
    recorders.push_back(f.recorder_for(name));
    recorder& r = *recorders.back();
    r.line(stream::out, "same");
    r.line(stream::out, name == "web04" ? "other" : "again");
    if (name == "web05") r.line(stream::err, "trouble");
    r.ended({});
  }
  CHECK(f.shown(stream::out, {}) ==
        "--- web[01-03,05] (4 hosts)\nsame\nagain\n--- web04 (1 host)\nsame\nother\n");
  CHECK(f.shown(stream::err, {}) == "--- web05 (1 host)\ntrouble\n");
  CHECK(f.shown(stream::out, {true, false}) ==
        "--- web[01-03,05] (4 hosts)\nsame\nagain\n"
        "--- web04 (1 host), differences from the first\n  same\n- again\n+ other\n");
}

TEST_CASE("what hosts have in common is kept once") {
  line_tree tree;
  const auto a = tree.add(line_tree::root, "x");
  CHECK(tree.add(line_tree::root, "x") == a);
  const auto b = tree.add(a, "x");
  CHECK(b != a);
  CHECK(tree.lines(b) == views{"x", "x"});
  CHECK(tree.lines(line_tree::root).empty());
}

TEST_CASE("differences have a few lines around them") {
  const views from = {"1", "2", "3", "4", "5", "6", "7", "8", "9"};
  CHECK(line_diff(from, from, false) == "  ...\n");
  CHECK(line_diff(from, {"1", "2", "3", "4", "5", "6", "7", "9"}, false) ==
        "  ...\n  5\n  6\n  7\n- 8\n  9\n");
  CHECK(line_diff(from, {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}, false) ==
        "+ 0\n  1\n  2\n  3\n  ...\n");
  CHECK(line_diff({"a", "b"}, {"b", "a"}, false) == "- a\n  b\n+ a\n");
  CHECK(line_diff({}, {"a"}, true) == "\033[32m+ a\033[0m\n");
  CHECK(line_diff({}, {}, false).empty());
}

TEST_CASE("the board tells who is where") {
  plan planned;
  for (const std::string& name : expand_ranges("web[1-9]")) planned.hosts.push_back(host(name));
  board b(planned);
  CHECK(b.line(100) == "0 of 9 done, 0 failed, 0 running");
  b.host(0).end(true);
  b.host(1).end(false);
  b.host(2).at() = phase::connect;
  b.host(3).at() = phase::command;
  for (const std::size_t i : {2, 3}) b.host(i).begin();
  CHECK(b.line(100) == "2 of 9 done, 1 failed, 2 running: web[3,4]");
  CHECK(b.line(20) == "2 of 9 done, 1 fa...");
  CHECK_THAT(b.full(), contains("2 of 9 done, 1 failed, 2 running, 5 waiting\n"));
  CHECK_THAT(b.full(), contains("  connect: web3 (for up to "));
}

TEST_CASE("every failure comes with advice") {
  using enum ssh_runner::phase;
  using enum verdict;
  for (const auto where :
       {waiting, resolve, connect, handshake, host_key, login, start, command, signal, time_out}) {
    for (const auto outcome :
         {stopped, command_failed, not_connected, timed_out, host_key_refused}) {
      for (const char* cause :
           {"Connection reset by peer", "revoked: known_hosts forbids the key", "exit status 3",
            "sudo wants a password", "stopped by SIGINT; it may still run", "?"}) {
        result r;
        r.fail(outcome, where, cause);
        CAPTURE(int(where), int(outcome), cause);
        CHECK_FALSE(advice_for(r).empty());
      }
    }
  }
}

TEST_CASE("a failed command's advice is about how it failed") {
  result r;
  r.fail(verdict::command_failed, phase::command, "exit status 3");
  r.exit_code = 3;
  CHECK_THAT(advice_for(r), contains("its output"));
  r.exit_code = 126;
  CHECK_THAT(advice_for(r), contains("cannot be executed"));
  r.exit_code = 127;
  CHECK_THAT(advice_for(r), contains("PATH"));
  r.where = phase::signal;
  r.signal = "SEGV";
  CHECK_THAT(advice_for(r), contains("crashed"));
  r.signal = "KILL";
  CHECK_THAT(advice_for(r), contains("memory"));
  r.signal = "TERM";
  CHECK_THAT(advice_for(r), contains("somebody"));
  r.fail(verdict::timed_out, phase::handshake, "the run took more than 1 s");
  CHECK_THAT(advice_for(r), contains("--timeout"));
}

TEST_CASE("the summary has counts, the slowest host, and failures of one kind on one line") {
  using namespace std::chrono_literals;
  std::vector<result> results(4);
  for (std::size_t i = 0; i < results.size(); ++i) {
    results[i].label = "web" + std::to_string(i + 1);
    results[i].outcome = verdict::ok;
    results[i].connecting = 100ms;
    results[i].running = 1s;
  }
  results[2].connecting = 3s;
  for (const std::size_t i : {0, 3})
    results[i].fail(verdict::command_failed, phase::command, "exit status 3");
  const auto summary = [&](bool only_failures) {
    std::ostringstream out;
    print_summary(out, results, 5s, only_failures);
    return out.str();
  };
  CHECK_THAT(
      summary(false),
      contains("ssh-runner: 4 hosts in 5 s: 2 ok, 2 with a failed command; slowest web3, 4 s\n"));
  CHECK_THAT(summary(false),
             contains("ssh-runner: web[1,4]: command: exit status 3\nssh-runner:   its output"));
  results[0].outcome = results[3].outcome = verdict::ok;
  CHECK(summary(true).empty());
}
