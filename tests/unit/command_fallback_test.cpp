// Processes on kernels that have no pidfds, no close_range, or do not keep a status.
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <iostream>
#include <string>
#include <vector>

#include <weft/weft.hpp>

#include "conformance/collect.hpp"
#include "conformance/processes.hpp"
#include "support/catch.hpp"
#include "support/child.hpp"
#include "unit/refuse.hpp"

using namespace std::chrono_literals;
using weft_test::output_of;
using weft_test::refuse;
using weft_test::refuse_bits;
using weft_test::run_child;
using weft_test::shell;

namespace {

constexpr std::uint32_t clone_pidfd = 0x1000;
constexpr std::uint32_t p_pidfd_bit = 2;  // of 3; processes and all are 1 and 0

void say(const std::string& what, const weft::exit_status& s) {
  std::cout << what << ": " << s.to_string() << '\n';
}

// Ends, limits, contexts, the end of the run; in a goroutine, on a plain thread, in a coroutine.
void workload() {
  const auto work = [] {
    say("end", shell("sleep 0.05; exit 4").run());
    say("at once", shell("exit 5").run(60s));
    say("limit", weft::command("sleep", {"1000"}).run(10ms));
    say("grace", weft::command("sleep", {"1000"}).kill_grace(60s).run(10ms));
    auto [timed, stop] = weft::with_timeout(weft::background(), 10ms);
    say("deadline", weft::command("sleep", {"1000"}).run(timed));
    auto [ctx, cancel] = weft::with_cancel(weft::background());
    cancel();
    say("cancelled", weft::command("sleep", {"1000"}).run(ctx));
    weft::command c("sleep", {"1000"});
    c.start();
  };
  work();
  weft::run([&] {
    work();
    auto in_coroutine = weft::spawn([]() -> weft::coro<weft::exit_status> {
      weft::command c = shell("sleep 0.05; exit 6");
      c.start();
      co_return co_await c.async_wait();
    });
    say("coroutine", in_coroutine.get());
    for (int i = 0; i < 3; ++i) {
      weft::go([] {
        weft::command c("sleep", {"1000"});
        c.run();
      });
    }
    weft_test::until_parked(3);
  });
  std::cout << (weft_test::has_children() ? "children" : "no child") << '\n';
}

const std::string one_round =
    "end: exit code 4\nat once: exit code 5\nlimit: signal 9 (KILL), limit reached\n"
    "grace: signal 15 (TERM), limit reached\ndeadline: signal 9 (KILL), limit reached\n"
    "cancelled: signal 9 (KILL), limit reached\n";
const std::string expected = one_round + one_round + "coroutine: exit code 6\nno child\n";

WEFT_CHILD_CASE("no-pidfd") {
  refuse_bits(SYS_clone, EINVAL, clone_pidfd);
  refuse(SYS_pidfd_open, ENOSYS);
  workload();
}

WEFT_CHILD_CASE("pidfd-opened-later") {
  refuse_bits(SYS_clone, EINVAL, clone_pidfd);
  workload();
}

WEFT_CHILD_CASE("no-wait-by-pidfd") {
  refuse_bits(SYS_waitid, EINVAL, p_pidfd_bit);
  workload();
}

void list_descriptors() {
  std::vector<weft::file_descriptor> many;
  for (int i = 0; i < 100; ++i) many.emplace_back(::open("/dev/null", O_RDONLY));  // no O_CLOEXEC
  many.emplace_back(::fcntl(0, F_DUPFD, 900));
  std::cout << output_of(weft::command("ls", {"/proc/self/fd"})).out;
}

WEFT_CHILD_CASE("no-close-range") {
  refuse(SYS_close_range, ENOSYS);
  list_descriptors();
}

WEFT_CHILD_CASE("no-close-range-no-proc") {
  refuse(SYS_close_range, EPERM);
  refuse(SYS_openat, ENOENT, O_RDONLY | O_DIRECTORY);
  list_descriptors();
}

WEFT_CHILD_CASE("no-status-kept") {
  refuse(SYS_ioctl, ENOTTY);
  signal(SIGCHLD, SIG_IGN);
  say("ignored", shell("exit 7").run());
  say("ignored", weft::command("sleep", {"1000"}).run(1ms));
}

}  // namespace

TEST_CASE("processes without pidfds", "[unit][command]") {
  const auto child = run_child("no-pidfd");
  CHECK(child.exit_code == 0);
  CHECK(child.out == expected);
}

TEST_CASE("processes whose pidfds are opened after their start", "[unit][command]") {
  const auto child = run_child("pidfd-opened-later");
  CHECK(child.exit_code == 0);
  CHECK(child.out == expected);
}

TEST_CASE("processes with pidfds that waitid does not take", "[unit][command]") {
  const auto child = run_child("no-wait-by-pidfd");
  CHECK(child.exit_code == 0);
  CHECK(child.out == expected);
}

TEST_CASE("no descriptor is inherited where close_range is missing", "[unit][command]") {
  for (const char* name : {"no-close-range", "no-close-range-no-proc"}) {
    const auto child = run_child(name);
    CAPTURE(name, child.err);
    CHECK(child.exit_code == 0);
    CHECK(child.out == "0\n1\n2\n3\n");
  }
}

TEST_CASE("a status that somebody else took, and the kernel has not kept", "[unit][command]") {
  const auto child = run_child("no-status-kept");
  CHECK(child.exit_code == 0);
  CHECK(child.out == "ignored: unknown status\nignored: unknown status, limit reached\n");
}
