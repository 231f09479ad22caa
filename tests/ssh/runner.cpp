#include "run/runner.hpp"

#include <fmt/format.h>

#include "support/catch.hpp"

using namespace ssh_runner;

// A format that nobody has checked is an error of ours in the first host's goroutine, and no other host
// gets its place unless that gives it back.
TEST_CASE("an error inside ends the run, and leaves nobody waiting") {
  settings asked;
  asked.run.transport = transport_kind::local;
  asked.run.fanout = 1;
  asked.script.text = "true";
  asked.output.prefix.format = "{oops}";
  plan planned;
  for (const char* name : {"web1", "web2", "web3"}) {
    auto to = std::make_shared<endpoint>();
    to->name = to->address = name;
    planned.hosts.push_back({name, to, name});
  }
  const auto run = [&] { weft::run([&] { return runner(asked, planned).run(); }); };
  CHECK_THROWS_AS(run(), fmt::format_error);
}
