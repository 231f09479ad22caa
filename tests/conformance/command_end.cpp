// command: destroyed, unwound, many at once, and beside others who wait for children.
#include "collect.hpp"
#include "processes.hpp"
#include "support/child.hpp"
#include "support/scale.hpp"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <iostream>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <signal.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

using namespace std::chrono_literals;
using weft_test::has_children;
using weft_test::in_both;
using weft_test::output_of;
using weft_test::run_child;
using weft_test::shell;
using weft_test::until_parked;

TEST_CASE("the destructor kills the group and reaps", "[os][command]") {
  in_both([] {
    weft::file_descriptor out;
    pid_t pid = 0;
    {
      weft::command c = shell("trap '' TERM INT; (trap '' TERM; sleep 1000) & echo x; sleep 1000");
      c.stdout_to(weft::stdio::pipe).start();
      pid = c.pid();
      out = std::move(c.stdout_pipe());
      std::byte one[2];
      CHECK(out.read_full(one) == 2);
    }
    CHECK_FALSE(has_children());
    CHECK(::kill(pid, 0) == -1);
    CHECK(out.read_all() == "");
    {
      weft::command stopped("sleep", {"1000"});
      stopped.start();
      stopped.signal(SIGSTOP);
    }
    {
      weft::command ended("true");
      ended.start();
    }
    weft::command never_started("true");
  });
}

TEST_CASE("an exception that passes a command ends it", "[os][command]") {
  in_both([] {
    try {
      weft::command c("sleep", {"1000"});
      c.start();
      throw 5;
    } catch (int) {
      CHECK_FALSE(has_children());
    }
  });
}

TEST_CASE("a run's end kills and reaps what its goroutines wait for", "[os][command]") {
  const auto descriptors = weft_test::fd_count();
  for (int i = 0; i < 5; ++i) {
    weft::run([] {
      for (int k = 0; k < 10; ++k) {
        weft::go([k] {
          weft::command c("sleep", {"1000"});
          if (k % 3 == 0) c.kill_grace(60s);
          c.start();
          c.wait(k % 2 == 0 ? weft::wait_limit() : weft::wait_limit(1h));
        });
      }
      until_parked(10);
    });
    CHECK_FALSE(has_children());
  }
  CHECK(weft_test::fd_count() == descriptors);
}

TEST_CASE("a run's end while a group is given time to end", "[os][command]") {
  weft::run([] {
    auto [reader, writer] = weft::pipe();
    weft::chan<void> has_trap;
    weft::go([w = std::move(writer), has_trap]() mutable {
      weft::command c = shell("trap 'echo asked' TERM; echo ready; while :; do sleep 0.02; done");
      c.kill_grace(1h).stdout_to(std::move(w)).stderr_to(weft::stdio::null).start();
      has_trap.recv();
      c.wait(1ms);
    });
    std::string text(6, '\0');
    CHECK(reader.read_full(std::as_writable_bytes(std::span(text))) == 6);
    CHECK(text == "ready\n");
    has_trap.send();
    CHECK(reader.read_full(std::as_writable_bytes(std::span(text))) == 6);
    CHECK(text == "asked\n");
  });
  CHECK_FALSE(has_children());
}

TEST_CASE("a thousand children at once, and no thread for any", "[os][command]") {
  const std::size_t many = weft_test::scaled(1000);
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < 1100) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  const auto threads = [] { return weft_test::text_of_file("/proc/self/status"); };
  // On a busy machine a start may take so long that a thread stands in for its worker.
  weft::run({.max_threads = 16}, [&] {
    weft::command("true").run();
    auto [reader, writer] = weft::pipe();
    std::vector<weft::join_handle<bool>> all;
    for (std::size_t i = 0; i < many; ++i) {
      all.push_back(weft::spawn([fd = reader.get()] {
        weft::command c("cat");
        return c.stdin_from(weft::file_descriptor::duplicate(fd)).stdout_to(weft::stdio::null).run().ok();
      }));
    }
    until_parked(many);
    const std::string status = threads();
    const auto at = status.find("Threads:");
    CHECK(std::stoul(status.substr(at + 8)) < 100);
    writer.close();
    std::size_t ok = 0;
    for (auto& h : all) ok += h.get();
    CHECK(ok == many);
  });
  CHECK_FALSE(has_children());
}

TEST_CASE("plain threads and goroutines start processes at once", "[os][command]") {
  const auto work = [](int n) {
    for (int i = 0; i < n; ++i) {
      if (output_of(weft::command("echo", {"x"})).out != "x\n") return false;
    }
    return true;
  };
  const int n = static_cast<int>(weft_test::scaled(50));
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { good += work(n); });
  weft::run([&] {
    std::vector<weft::join_handle<bool>> handles;
    for (int i = 0; i < 4; ++i) handles.push_back(weft::spawn(work, n));
    for (auto& h : handles) good += h.get();
  });
  for (auto& t : threads) t.join();
  CHECK(good == 8);
  CHECK_FALSE(has_children());
}

TEST_CASE("a program that was written just now runs", "[os][command]") {
  // Another child, about to load its own program, has it open for a moment.
  const weft_test::scratch_directory here;
  weft::run([&] {
    std::atomic<bool> stop{false};
    auto others = weft::spawn([&] {
      while (!stop) weft::command("true").run();
    });
    for (std::size_t i = 0; i < weft_test::scaled(100); ++i) {
      const auto program = here / "program";
      {
        auto file = weft::file_descriptor::open(program, O_WRONLY | O_CREAT | O_TRUNC, 0755);
        file.write("#!/bin/sh\nexit 8\n");
      }
      CHECK(weft::command(program.string()).run().code == 8);
    }
    stop = true;
    others.get();
  });
}

namespace {

std::string known_or_not(const weft::exit_status& s) {
  return s.code == 7 ? "known" : s.to_string() == "unknown status" ? "unknown" : s.to_string();
}

WEFT_CHILD_CASE("sigchld-ignored") {
  signal(SIGCHLD, SIG_IGN);
  std::cout << known_or_not(shell("exit 7").run()) << '\n';
  weft::run([] {
    std::cout << known_or_not(shell("exit 7").run()) << '\n';
    std::cout << weft::command("sleep", {"1000"}).run(1ms).limit_reached << '\n';
  });
}

WEFT_CHILD_CASE("sigchld-reaped") {
  struct sigaction reaps {};
  reaps.sa_handler = [](int) {
    const int before = errno;
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    errno = before;
  };
  reaps.sa_flags = SA_RESTART;
  sigaction(SIGCHLD, &reaps, nullptr);
  weft::run([] {
    for (std::size_t i = 0; i < weft_test::scaled(50); ++i) {
      const std::string s = known_or_not(shell("exit 7").run());
      if (s != "known" && s != "unknown") std::cout << s << '\n';
    }
    { weft::command c("sleep", {"1000"}); c.start(); }
  });
  std::cout << "end\n";
}

WEFT_CHILD_CASE("waits-for-all") {
  std::atomic<bool> stop{false};
  std::thread waits([&] {
    while (!stop) ::waitpid(-1, nullptr, 0);
  });
  weft::run([] {
    for (std::size_t i = 0; i < weft_test::scaled(50); ++i) {
      const std::string s = known_or_not(shell("exit 7").run());
      if (s != "known" && s != "unknown") std::cout << s << '\n';
    }
  });
  stop = true;
  waits.join();
  std::cout << "end\n";
}

}  // namespace

TEST_CASE("a process that ignores SIGCHLD", "[os][command]") {
  const auto child = run_child("sigchld-ignored");
  CHECK(child.exit_code == 0);
  CHECK((child.out == "known\nknown\n1\n" || child.out == "unknown\nunknown\n1\n"));
}

TEST_CASE("a handler of SIGCHLD that reaps everything", "[os][command]") {
  const auto child = run_child("sigchld-reaped");
  CHECK(child.exit_code == 0);
  CHECK(child.out == "end\n");
}

TEST_CASE("a thread that waits for all children", "[os][command]") {
  const auto child = run_child("waits-for-all");
  CHECK(child.exit_code == 0);
  CHECK(child.out == "end\n");
}
