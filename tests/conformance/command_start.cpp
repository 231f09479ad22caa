// command: what a program is given, how it ends, what cannot be started.
#include "processes.hpp"

#include <chrono>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace std::chrono_literals;
using weft_test::contains;
using weft_test::error_of;
using weft_test::in_both;
using weft_test::output_of;
using weft_test::scratch_directory;
using weft_test::shell;
using weft_test::write_file;

TEST_CASE("a program runs, and its status comes back", "[os][command]") {
  in_both([] {
    const auto good = weft::command("true").run();
    CHECK(good.ok());
    CHECK(good.code == 0);
    CHECK_FALSE(good.signal.has_value());
    CHECK_FALSE(good.limit_reached);
    CHECK(good.to_string() == "exit code 0");
    const auto bad = shell("exit 3").run();
    CHECK_FALSE(bad.ok());
    CHECK(bad.code == 3);
    CHECK(bad.to_string() == "exit code 3");
    const auto killed = shell("kill -TERM $$").run();
    CHECK_FALSE(killed.ok());
    CHECK_FALSE(killed.code.has_value());
    CHECK(killed.signal == SIGTERM);
    CHECK_THAT(killed.to_string(), contains("signal 15"));
    CHECK(weft::exit_status{}.to_string() == "unknown status");
    CHECK(weft::exit_status{.code = 7, .signal = {}, .limit_reached = true}.to_string() ==
          "exit code 7, limit reached");
    CHECK_FALSE(weft::exit_status{}.ok());
  });
}

TEST_CASE("arguments arrive as they are; there is no shell", "[os][command]") {
  in_both([] {
    const auto f = output_of(weft::command("printf", {"%s|", "a b", "", "$HOME", "*", "'\"\\"}));
    CHECK(f.out == "a b||$HOME|*|'\"\\|");
    weft::command c("echo", {"first"});
    c.args({"second", "third"});
    CHECK(output_of(c).out == "second third\n");
    CHECK(output_of(weft::command("echo")).out == "\n");
  });
}

TEST_CASE("the environment: ours, with what is set, or only that", "[os][command]") {
  ::setenv("WEFT_TEST_OURS", "from us", 1);
  in_both([] {
    CHECK(output_of(shell("echo $WEFT_TEST_OURS")).out == "from us\n");
    weft::command c = shell("echo $WEFT_TEST_OURS,$WEFT_TEST_MORE");
    c.env("WEFT_TEST_OURS", "first").env("WEFT_TEST_MORE", "a=b").env("WEFT_TEST_OURS", "second");
    CHECK(output_of(c).out == "second,a=b\n");
    weft::command only("env");
    only.env("ONE", "1").clear_env().env("EMPTY", "");
    CHECK(output_of(only).out == "ONE=1\nEMPTY=\n");
    weft::command none("env");
    none.clear_env();
    CHECK(output_of(none).out == "");
  });
  ::unsetenv("WEFT_TEST_OURS");
}

TEST_CASE("a program is looked for in the PATH that it will have", "[os][command]") {
  const scratch_directory here;
  const auto script = [&](const char* where, const char* text, int mode) {
    std::filesystem::create_directories((here / where).parent_path());
    write_file(here / where, std::string("#!/bin/sh\n") + text);
    REQUIRE(::chmod((here / where).c_str(), static_cast<mode_t>(mode)) == 0);
  };
  script("a/weft-test-only-here", "echo a", 0755);
  script("b/weft-test-only-here", "echo b", 0755);
  script("c/weft-test-only-here", "echo c", 0644);
  in_both([&] {
    const auto with_path = [&](const std::string& path) {
      weft::command c("weft-test-only-here");
      c.env("PATH", path).dir(here.path());
      return c;
    };
    const std::string at = here.path().string();
    CHECK(output_of(with_path("/nowhere:" + at + "/a:" + at + "/b")).out == "a\n");
    CHECK(output_of(with_path(at + "/c:" + at + "/b:/bin")).out == "b\n");
    CHECK(output_of(with_path("b:a")).out == "b\n");  // from dir()
    CHECK(error_of([&] { with_path("/nowhere").run(); }).first ==
          std::errc::no_such_file_or_directory);
    CHECK(error_of([&] { with_path(at + "/c:/nowhere").run(); }).first ==
          std::errc::permission_denied);
    weft::command inside("weft-test-only-here");
    inside.env("PATH", "").dir(here / "b");
    CHECK(output_of(inside).out == "b\n");
    weft::command relative("./weft-test-only-here");
    relative.dir(here / "a");
    CHECK(output_of(relative).out == "a\n");
    // Without a PATH there is the system's.
    CHECK(output_of(shell("echo found").clear_env()).out == "found\n");
  });
}

TEST_CASE("dir is where it starts", "[os][command]") {
  const scratch_directory there;
  in_both([&] {
    weft::command c("pwd");
    c.dir(there.path()).env("PWD", "/wrong");
    CHECK(output_of(c).out == std::filesystem::canonical(there.path()).string() + "\n");
    CHECK(output_of(weft::command("pwd").env("PWD", "/wrong")).out ==
          std::filesystem::current_path().string() + "\n");
  });
}

TEST_CASE("what cannot be started is told by start, and nothing is left", "[os][command]") {
  const scratch_directory here;
  write_file(here / "text", "no program\n");
  REQUIRE(::chmod((here / "text").c_str(), 0755) == 0);
  write_file(here / "closed", "");
  in_both([&] {
    const auto start = [](weft::command c) { return error_of([&] { c.start(); }); };
    const auto [missing, what] = start(weft::command("weft-test-no-such-program", {"x"}));
    CHECK(missing == std::errc::no_such_file_or_directory);
    CHECK_THAT(what, contains("weft-test-no-such-program"));
    CHECK(start(weft::command("/nowhere/at/all")).first == std::errc::no_such_file_or_directory);
    CHECK(start(weft::command("")).first == std::errc::no_such_file_or_directory);
    CHECK(start(weft::command((here / "closed").string())).first == std::errc::permission_denied);
    CHECK(start(weft::command(here.path().string())).first == std::errc::permission_denied);
    CHECK(start(weft::command((here / "text").string())).first ==
          std::errc::executable_format_error);
    weft::command nowhere("true");
    nowhere.dir("/nowhere/at/all");
    const auto [no_dir, dir_text] = start(std::move(nowhere));
    CHECK(no_dir == std::errc::no_such_file_or_directory);
    CHECK_THAT(dir_text, contains("true") && contains("/nowhere/at/all"));
    weft::command file_as_dir("true");
    file_as_dir.dir(here / "text");
    CHECK(start(std::move(file_as_dir)).first == std::errc::not_a_directory);
    CHECK(start(weft::command("echo", {std::string(8 << 20, 'x')})).first ==
          std::errc::argument_list_too_long);
    using namespace std::string_literals;
    CHECK(start(weft::command("true", {"a\0b"s})).first == std::errc::invalid_argument);
    CHECK(start(weft::command("tr\0ue"s)).first == std::errc::invalid_argument);
    for (const std::string& name : {""s, "A=B"s, "A\0B"s}) {
      weft::command c("true");
      c.env(name, "value");
      CHECK(start(std::move(c)).first == std::errc::invalid_argument);
    }
    weft::command value("true");
    value.env("NAME", "a\0b"s);
    CHECK(start(std::move(value)).first == std::errc::invalid_argument);
  });
}

TEST_CASE("a start that failed may be tried again", "[os][command]") {
  const scratch_directory here;
  in_both([&] {
    std::filesystem::remove(here / "later");
    auto [reader, writer] = weft::pipe();
    weft::command c("cat");
    c.dir(here / "later").stdin_from(std::move(reader)).stdout_to(weft::stdio::pipe);
    CHECK(error_of([&] { c.start(); }).first == std::errc::no_such_file_or_directory);
    CHECK(c.pid() == -1);
    CHECK_THROWS_AS(c.stdout_pipe(), std::logic_error);
    std::filesystem::create_directory(here / "later");
    c.start();
    writer.write("still there");
    writer.close();
    CHECK(c.stdout_pipe().read_all() == "still there");
    CHECK(c.wait().ok());
  });
}

TEST_CASE("the order of calls is checked", "[os][command]") {
  in_both([] {
    weft::command c("true");
    CHECK_THROWS_AS(c.wait(), std::logic_error);
    CHECK_THROWS_AS(c.stdin_pipe(), std::logic_error);
    c.signal(SIGTERM);  // to nobody
    c.kill();
    CHECK(c.pid() == -1);
    c.start();
    CHECK(c.pid() > 0);
    CHECK_THROWS_AS(c.start(), std::logic_error);
    CHECK_THROWS_AS(c.stdout_pipe(), std::logic_error);
    CHECK(c.wait().ok());
    CHECK_THROWS_AS(c.start(), std::logic_error);
    CHECK(c.wait().ok());  // the same again
    CHECK(c.wait(0s).ok());
  });
}

TEST_CASE("commands are moved with what runs in them", "[os][command]") {
  static_assert(!std::is_copy_constructible_v<weft::command>);
  static_assert(std::is_nothrow_move_constructible_v<weft::command>);
  static_assert(std::is_nothrow_move_assignable_v<weft::command>);
  in_both([] {
    weft::command first = shell("read line; echo got $line; exit 4");
    first.stdin_from(weft::stdio::pipe).stdout_to(weft::stdio::pipe).start();
    weft::file_descriptor in = std::move(first.stdin_pipe());
    weft::command second(std::move(first));
    in.write("it\n");
    weft::command third("sleep", {"1000"});
    third.start();
    third = std::move(second);  // the sleeper is killed and reaped
    weft::command& same = third;
    third = std::move(same);
    CHECK(third.stdout_pipe().read_all() == "got it\n");
    CHECK(third.wait().code == 4);
  });
}

TEST_CASE("a process leads a group of its own", "[os][command]") {
  in_both([] {
    weft::command c = shell("read -r pid comm state parent group rest < /proc/$$/stat; echo $$ $group");
    c.stdout_to(weft::stdio::pipe).start();
    const std::string pid = std::to_string(c.pid());
    CHECK(c.stdout_pipe().read_all() == pid + " " + pid + "\n");
    c.wait();
  });
}

TEST_CASE("dispositions and the signal mask are the default ones", "[os][command]") {
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  struct sigaction caught {};
  caught.sa_handler = [](int) {};
  struct sigaction before[3];
  ::sigaction(SIGPIPE, &ignore, &before[0]);
  ::sigaction(SIGHUP, &ignore, &before[1]);
  ::sigaction(SIGUSR1, &caught, &before[2]);
  sigset_t some;
  sigset_t mask_before;
  sigemptyset(&some);
  sigaddset(&some, SIGUSR2);
  sigaddset(&some, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &some, &mask_before);
  in_both([] {
    weft::command c("sed", {"-n", "/^Sig[BIC]/p", "/proc/self/status"});
    CHECK(output_of(c).out ==
          "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000000000\n");
  });
  sigset_t now;
  ::pthread_sigmask(SIG_SETMASK, &mask_before, &now);
  CHECK(sigismember(&now, SIGUSR2) == 1);
  ::sigaction(SIGPIPE, &before[0], nullptr);
  ::sigaction(SIGHUP, &before[1], nullptr);
  ::sigaction(SIGUSR1, &before[2], nullptr);
}

TEST_CASE("no descriptor is inherited by accident", "[os][command]") {
  int leaky[3];
  for (int& fd : leaky) fd = ::open("/dev/null", O_RDONLY);  // without O_CLOEXEC
  const int high = ::fcntl(leaky[0], F_DUPFD, 900);
  in_both([] {
    // Its own directory has one, too.
    CHECK(output_of(weft::command("ls", {"/proc/self/fd"})).out == "0\n1\n2\n3\n");
    weft::command c("ls", {"/proc/self/fd"});
    c.stdin_from(weft::stdio::null).stderr_to(weft::stdio::pipe);
    CHECK(output_of(c).out == "0\n1\n2\n3\n");
  });
  for (const int fd : leaky) CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0);
  CHECK((::fcntl(high, F_GETFD) & FD_CLOEXEC) == 0);
  for (const int fd : leaky) ::close(fd);
  ::close(high);
}
