// Processes of every kind at once: whatever ends them, each gives its own status and bytes, and none is
// left. WEFT_STRESS_PROCESSES sets how many: with 20000 the time that it takes is that of docs/benchmarks.md.
#include "conformance/collect.hpp"
#include "stress/chance.hpp"
#include "support/catch.hpp"
#include "support/child_count.hpp"
#include "support/fd_count.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <system_error>
#include <thread>

using namespace std::chrono_literals;
using weft::stdio;

namespace {

int number_of_processes() {
  const char* text = std::getenv("WEFT_STRESS_PROCESSES");
  return text != nullptr && *text != '\0' ? std::atoi(text)
                                          : static_cast<int>(weft_test::scaled(2000));
}

weft::command quiet(const char* program, std::vector<std::string> arguments = {}) {
  weft::command c(program, std::move(arguments));
  c.stdin_from(stdio::null).stdout_to(stdio::null).stderr_to(stdio::null);
  return c;
}

bool ends_by_kill(const weft::exit_status& s, bool at_limit) {
  return s.signal == SIGKILL && s.limit_reached == at_limit;
}

// Whether one of this kind ended as it should.
bool runs(int kind, weft_test::chance& pick) {
  switch (kind) {
    case 0: {  // ends by itself
      const int code = pick.below(256);
      return quiet("sh", {"-c", "exit " + std::to_string(code)}).run().code == code;
    }
    case 1: {  // both ways
      const std::string text(static_cast<std::size_t>(pick.below(200000)), 't');
      weft::command c = quiet("cat");
      c.stdin_from(stdio::pipe).stdout_to(stdio::pipe).start();
      auto writing = weft::spawn([&] {
        c.stdin_pipe().write(text);
        c.stdin_pipe().close();
      });
      const bool is_same = c.stdout_pipe().read_all() == text;
      writing.get();
      return is_same && c.wait().ok();
    }
    case 2:  // reaches its limit
      return ends_by_kill(quiet("sleep", {"1000"}).run(std::chrono::microseconds(pick.below(3000))), true);
    case 3: {  // its context ends
      auto [ctx, cancel] = weft::with_cancel(weft::background());
      weft::command c = quiet("sleep", {"1000"});
      c.start();
      auto waiting = weft::spawn([&, ctx = ctx] { return c.wait(ctx); });
      if (pick.one_in(2)) weft::yield();
      cancel();
      return ends_by_kill(waiting.get(), true);
    }
    case 4: {  // killed while somebody waits
      weft::command c = quiet("sleep", {"1000"});
      c.start();
      auto waiting = weft::spawn([&] { return c.wait(); });
      if (pick.one_in(2)) weft::yield();
      c.kill();
      return ends_by_kill(waiting.get(), false);
    }
    case 5: {  // is destroyed
      weft::command c = quiet("sh", {"-c", "sleep 1000 & sleep 1000"});
      c.stdout_to(stdio::pipe).start();
      return c.pid() > 0;
    }
    case 6: {  // a coroutine waits
      weft::command c = quiet("true");
      c.start();
      return weft::spawn(c.async_wait()).get().ok();
    }
    default:  // cannot be started
      try {
        quiet("/nonexistent/program").start();
      } catch (const std::system_error& e) {
        return e.code() == std::errc::no_such_file_or_directory;
      }
      return false;
  }
}

}  // namespace

TEST_CASE("processes of every kind at once", "[os][stress]") {
  constexpr int kinds = 8;
  const int total = number_of_processes();
  weft_test::chance seeds(weft_test::first_seed());
  weft::spawn([] {}).wait();  // the default runtime has what it keeps
  const std::size_t before = weft_test::fd_count();
  std::atomic<int> begun{0};
  std::array<std::atomic<int>, kinds> wrong{};
  std::atomic<int> right{0};
  weft_test::notes notes;
  weft::run([&] {
    weft::wait_group all;
    for (int g = 0; g < 64; ++g) {
      all.go([&, seed = seeds.next()] {
        weft_test::chance pick(seed);
        while (begun.fetch_add(1) < total) {
          const int kind = pick.below(kinds);
          try {
            ++(runs(kind, pick) ? right : wrong[static_cast<std::size_t>(kind)]);
          } catch (const std::exception& e) {
            notes.add("kind " + std::to_string(kind) + ": " + e.what());
          }
        }
      });
    }
    all.wait();
  });
  CHECK(notes.text() == "");
  for (int kind = 0; kind < kinds; ++kind) {
    INFO("kind " << kind);
    CHECK(wrong[static_cast<std::size_t>(kind)] == 0);
  }
  CHECK(right == total);
  CHECK_FALSE(weft_test::has_children());
  const auto until = weft::clock::now() + 5s;
  while (weft_test::fd_count() != before && weft::clock::now() < until) std::this_thread::yield();
  CHECK(weft_test::fd_count() == before);
}
