// command: limits, signals, and what is killed.
#include "collect.hpp"
#include "processes.hpp"
#include "support/scale.hpp"

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <signal.h>

using namespace std::chrono_literals;
using weft_test::error_of;
using weft_test::in_both;
using weft_test::shell;

namespace {

// Says "ready" once it and a process that it starts are there. Whoever reads its output to the end
// knows that both are gone.
weft::command group_of_two(const std::string& trap) {
  weft::command c = shell(trap + " (" + trap + " while :; do sleep 0.02; done) & echo ready; wait; wait");
  c.stdout_to(weft::stdio::pipe).stderr_to(weft::stdio::null);  // the shell tells of signals
  return c;
}

std::string ready(weft::command& c) {
  std::string text(6, '\0');
  c.stdout_pipe().read_full(std::as_writable_bytes(std::span(text)));
  return text;
}

}  // namespace

TEST_CASE("at the limit the whole group is killed, and the status says so", "[os][command]") {
  in_both([] {
    weft::command c = group_of_two("trap '' TERM;");
    c.start();
    CHECK(ready(c) == "ready\n");
    const auto status = c.wait(10ms);
    CHECK(status.limit_reached);
    CHECK(status.signal == SIGKILL);
    CHECK_FALSE(status.ok());
    CHECK(c.stdout_pipe().read_all() == "");  // the other one is gone, too
    CHECK(c.wait().limit_reached);            // the same again
  });
}

TEST_CASE("a limit that has passed, a process that has ended", "[os][command]") {
  in_both([] {
    weft::command c = shell("exit 5");
    c.stdout_to(weft::stdio::pipe).start();
    c.stdout_pipe().read_all();  // about to end
    while (weft_test::has_children()) {
      siginfo_t info{};
      if (waitid(P_PID, static_cast<id_t>(c.pid()), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
          info.si_pid != 0) {
        break;
      }
      weft::yield();
    }
    const auto status = c.wait(0s);  // what is ready is done all the same
    CHECK(status.code == 5);
    CHECK_FALSE(status.limit_reached);
    const auto late = weft::command("sleep", {"1000"}).run(weft::clock::now() - 1s);
    CHECK(late.limit_reached);
    CHECK(late.signal == SIGKILL);
  });
}

TEST_CASE("with kill_grace the group gets SIGTERM first", "[os][command]") {
  in_both([] {
    // Both are asked, and both do what they have to.
    weft::command asked = shell(
        "(trap 'sleep 0.05; echo second; exit' TERM; echo ready; while :; do sleep 0.02; done) & wait");
    asked.kill_grace(60s).stdout_to(weft::stdio::pipe).stderr_to(weft::stdio::null).start();
    CHECK(ready(asked) == "ready\n");
    const auto status = asked.wait(1ms);
    CHECK(status.limit_reached);
    CHECK(status.signal == SIGTERM);
    CHECK(asked.stdout_pipe().read_all() == "second\n");

    weft::command own_code = shell("trap 'exit 9' TERM; echo ready; while :; do sleep 0.02; done");
    own_code.kill_grace(60s).stdout_to(weft::stdio::pipe).stderr_to(weft::stdio::null).start();
    CHECK(ready(own_code) == "ready\n");
    const auto with_code = own_code.wait(1ms);
    CHECK(with_code.code == 9);
    CHECK(with_code.limit_reached);

    weft::command deaf = group_of_two("trap '' TERM;");
    deaf.kill_grace(20ms).start();
    CHECK(ready(deaf) == "ready\n");
    const auto forced = deaf.wait(1ms);
    CHECK(forced.signal == SIGKILL);
    CHECK(forced.limit_reached);
    CHECK(deaf.stdout_pipe().read_all() == "");

    // The first ends by SIGTERM, the other one does not.
    weft::command half = shell("(trap '' TERM; echo ready; while :; do sleep 0.02; done) & wait");
    half.kill_grace(50ms).stdout_to(weft::stdio::pipe).stderr_to(weft::stdio::null).start();
    CHECK(ready(half) == "ready\n");
    const auto ended = half.wait(1ms);
    CHECK(ended.signal == SIGTERM);
    CHECK(ended.limit_reached);
    CHECK(half.stdout_pipe().read_all() == "");

    // As long as it takes.
    weft::command patient =
        shell("trap 'sleep 0.05; exit 8' TERM; echo ready; while :; do sleep 0.02; done");
    patient.kill_grace(std::chrono::milliseconds::max());
    patient.stdout_to(weft::stdio::pipe).stderr_to(weft::stdio::null).start();
    CHECK(ready(patient) == "ready\n");
    CHECK(patient.wait(1ms).code == 8);

    // Stopped, it would not see SIGTERM.
    weft::command stopped("sleep", {"1000"});
    stopped.kill_grace(60s).start();
    stopped.signal(SIGSTOP);
    CHECK(stopped.wait(1ms).signal == SIGTERM);
  });
}

TEST_CASE("a context ends the group, too", "[os][command]") {
  in_both([] {
    auto [ctx, cancel] = weft::with_cancel(weft::background());
    weft::command c("sleep", {"1000"});
    c.start();
    auto cancels = weft::spawn([&cancel = cancel] { cancel(); });
    const auto cancelled = c.wait(ctx);
    cancels.wait();
    CHECK(cancelled.limit_reached);
    CHECK(cancelled.signal == SIGKILL);
    CHECK(weft::command("sleep", {"1000"}).run(ctx).limit_reached);  // done already
    auto [timed, stop] = weft::with_timeout(weft::background(), 10ms);
    const auto late = weft::command("sleep", {"1000"}).run(timed);
    CHECK(late.limit_reached);
    CHECK(late.signal == SIGKILL);
    auto [ample, stop_too] = weft::with_timeout(weft::background(), 60s);
    CHECK_FALSE(weft::command("true").run(ample).limit_reached);
  });
}

TEST_CASE("signals go to the group, until it was waited for", "[os][command]") {
  in_both([] {
    weft::command c = group_of_two("");
    c.start();
    CHECK(ready(c) == "ready\n");
    c.signal(0);
    CHECK(error_of([&] { c.signal(1000); }).first == std::errc::invalid_argument);
    c.signal(SIGTERM);
    CHECK(c.stdout_pipe().read_all() == "");  // both
    CHECK(c.wait().signal == SIGTERM);
    c.signal(SIGTERM);
    c.signal(1000);
    c.kill();
    weft::command k = group_of_two("trap '' TERM;");
    k.start();
    CHECK(ready(k) == "ready\n");
    k.kill();
    CHECK(k.wait().signal == SIGKILL);
    CHECK(k.stdout_pipe().read_all() == "");
  });
}

TEST_CASE("a process that ended before it was waited for keeps its number", "[os][command]") {
  in_both([] {
    weft::command c = shell("(while :; do sleep 0.02; done) & echo ready; exit 2");
    c.stdout_to(weft::stdio::pipe).start();
    CHECK(ready(c) == "ready\n");
    c.kill();  // the other one, which is of the group
    CHECK(c.stdout_pipe().read_all() == "");
    const auto status = c.wait();
    CHECK((status.code == 2 || status.signal == SIGKILL));
  });
}

TEST_CASE("what a process started may outlive it, if no limit is reached", "[os][command]") {
  in_both([] {
    auto [reader, writer] = weft::pipe();
    weft::command c = shell("exec 3<&0; (read line <&3; echo later) & echo ready; exit 0");
    c.stdin_from(std::move(reader)).stdout_to(weft::stdio::pipe).start();
    CHECK(ready(c) == "ready\n");
    CHECK(c.wait(60s).ok());
    writer.write("go\n");
    CHECK(c.stdout_pipe().read_all() == "later\n");
  });
}

TEST_CASE("many wait for one process", "[os][command]") {
  const auto check = [] {
    weft::command c = shell("read line; exit 6");
    c.stdin_from(weft::stdio::pipe).start();
    std::vector<weft::join_handle<weft::exit_status>> waits;
    for (int i = 0; i < 20; ++i) waits.push_back(weft::spawn([&] { return c.wait(); }));
    std::optional<int> plain_code;
    std::thread plain([&] { plain_code = c.wait().code; });
    weft_test::until_parked(20);
    c.stdin_pipe().write("end\n");
    for (auto& w : waits) CHECK(w.get().code == 6);
    plain.join();
    CHECK(plain_code == 6);
  };
  weft::run(check);
}

TEST_CASE("who waits beside one that reaches its limit", "[os][command]") {
  weft::run([] {
    weft::command c = group_of_two("trap '' TERM;");
    c.kill_grace(30ms).start();
    CHECK(ready(c) == "ready\n");
    auto patient = weft::spawn([&] { return c.wait(); });
    auto first = weft::spawn([&] { return c.wait(1ms); });
    auto second = weft::spawn([&] { return c.wait(5ms); });
    CHECK(first.get().signal == SIGKILL);
    CHECK(second.get().signal == SIGKILL);
    CHECK(patient.get().signal == SIGKILL);
    CHECK(c.stdout_pipe().read_all() == "");
  });
}

TEST_CASE("killed by one goroutine while another waits", "[os][command]") {
  weft::run([] {
    for (std::size_t i = 0; i < weft_test::scaled(100); ++i) {
      weft::command c("sleep", {"1000"});
      c.start();
      auto waiting = weft::spawn([&] { return c.wait(); });
      auto killing = weft::spawn([&] {
        for (int k = 0; k < 5; ++k) {
          c.kill();
          weft::yield();
        }
      });
      CHECK(waiting.get().signal == SIGKILL);
      killing.get();
    }
  });
}
