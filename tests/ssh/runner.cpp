#include "run/runner.hpp"

#include <fmt/format.h>

#include "connect/attempt.hpp"
#include "support/catch.hpp"

using namespace ssh_runner;

TEST_CASE("each retry waits twice as long as the one before") {
  using namespace std::chrono_literals;
  CHECK(retry_delay(1s, 1, 1.0) == 1s);
  CHECK(retry_delay(1s, 2, 1.0) == 2s);
  CHECK(retry_delay(1s, 4, 1.0) == 8s);
  CHECK(retry_delay(10ms, 3, 0.5) == 20ms);
  CHECK(retry_delay(0s, 9, 1.0) == 0s);
  // But no longer than a minute, however often, or than what was asked for.
  CHECK(retry_delay(1s, 7, 1.0) == 60s);
  CHECK(retry_delay(5min, 1, 1.0) == 5min);
  CHECK(retry_delay(1000000s, 1000, 1.0) == 1000000s);
}

TEST_CASE("what may pass is told from what has been decided") {
  const auto at = [](phase where, verdict what = verdict::not_connected) {
    return failure(what, where, "it was so");
  };
  CHECK(at(phase::handshake).may_pass());
  CHECK(at(phase::connect, verdict::timed_out).may_pass());
  CHECK_FALSE(at(phase::connect).for_good().may_pass());
  CHECK_FALSE(at(phase::login).may_pass());
  CHECK_FALSE(at(phase::host_key, verdict::host_key_refused).may_pass());
  // A server may count logins, so a host's own is not tried again; a jump host's that was slow is, for others wait
  // for it.
  CHECK_FALSE(at(phase::login, verdict::timed_out).may_pass());
  CHECK(at(phase::login, verdict::timed_out).may_pass_there());
  CHECK_FALSE(at(phase::login).may_pass_there());
  CHECK_FALSE(at(phase::host_key, verdict::host_key_refused).may_pass_there());
  CHECK(at(phase::login, verdict::timed_out).behind("gate").may_pass());
  CHECK(at(phase::handshake).behind("gate").may_pass());
  CHECK_FALSE(at(phase::login).behind("gate").may_pass());
  CHECK_FALSE(at(phase::connect).for_good().behind("gate").may_pass());
}

// What is ready counts more than the time, once: not for ever where the other side goes on and on.
TEST_CASE("an attempt whose time is over waits no more, however much comes") {
  const verdict outcome = weft::run([] {
    fair_clock clock;
    std::atomic<phase> at{phase::handshake};
    attempt a(std::chrono::nanoseconds(0), clock, weft::background(), at);
    const weft::chan<void> ready;
    ready.close();
    try {
      a.wait(weft::on_recv(ready));
    } catch (const failure& f) {
      return f.what_kind;
    }
    return verdict::ok;
  });
  CHECK(outcome == verdict::timed_out);
}

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
