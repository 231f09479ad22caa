// command: where its streams come from and go to.
#include "processes.hpp"
#include "support/child.hpp"
#include "support/scale.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace std::chrono_literals;
using weft_test::contains;
using weft_test::error_of;
using weft_test::in_both;
using weft_test::output_of;
using weft_test::run_child;
using weft_test::scratch_directory;
using weft_test::shell;
using weft_test::text_of_file;
using weft_test::write_file;

TEST_CASE("a pipe for each stream", "[os][command]") {
  in_both([] {
    weft::command c = shell("cat; echo problem >&2");
    c.stdin_from(weft::stdio::pipe).stdout_to(weft::stdio::pipe).stderr_to(weft::stdio::pipe);
    c.start();
    c.stdin_pipe().write("through");
    c.stdin_pipe().close();
    CHECK(c.stdout_pipe().read_all() == "through");
    CHECK(c.stderr_pipe().read_all() == "problem\n");
    CHECK(c.wait().ok());
  });
}

TEST_CASE("null, and stderr to stdout", "[os][command]") {
  in_both([] {
    CHECK(output_of(shell("cat; echo end").stdin_from(weft::stdio::null)).out == "end\n");
    CHECK(output_of(shell("echo out; echo err >&2").stderr_to(weft::stdio::to_stdout)).out ==
          "out\nerr\n");
    CHECK(output_of(shell("echo out; echo err >&2").stderr_to(weft::stdio::null)).out == "out\n");
    const auto wrong =
        error_of([] { weft::command("true").stdout_to(weft::stdio::to_stdout).run(); });
    CHECK(wrong.first == std::errc::invalid_argument);
    CHECK_THAT(wrong.second, contains("true") && contains("stdout"));
  });
}

TEST_CASE("files by name", "[os][command]") {
  const scratch_directory here;
  write_file(here / "in", "some text\n");
  in_both([&] {
    write_file(here / "out", "this was longer than what comes now\n");
    weft::command c("cat");
    CHECK(c.stdin_from(here / "in").stdout_to((here / "out").string()).run().ok());
    CHECK(text_of_file(here / "out") == "some text\n");
    const std::string name = (here / "err").string();
    CHECK(shell("echo err >&2").stderr_to(std::string_view(name)).run().ok());
    CHECK(text_of_file(here / "err") == "err\n");
    CHECK(shell("echo both; echo err >&2")
              .stdout_to(name.c_str())
              .stderr_to(weft::stdio::to_stdout)
              .run()
              .ok());
    CHECK(text_of_file(here / "err") == "both\nerr\n");
    CHECK(output_of(weft::command("cat").stdin_from("/dev/null")).out == "");
    const auto missing = error_of([&] { weft::command("cat").stdin_from(here / "nothing").run(); });
    CHECK(missing.first == std::errc::no_such_file_or_directory);
    CHECK_THAT(missing.second, contains("cat") && contains("nothing") && contains("stdin"));
    CHECK(error_of([&] { weft::command("true").stdout_to(here.path()).run(); }).first ==
          std::errc::is_a_directory);
  });
}

TEST_CASE("open descriptors, one command's output into another's input", "[os][command]") {
  in_both([] {
    auto [reader, writer] = weft::pipe();  // not blocking, which no program expects
    const std::size_t size = weft_test::scaled(1 << 20);
    weft::command first("head", {"-c", std::to_string(size), "/dev/zero"});
    first.stdout_to(std::move(writer)).start();
    weft::command second("wc", {"-c"});
    second.stdin_from(std::move(reader)).stdout_to(weft::stdio::pipe).start();
    CHECK(std::stoul(second.stdout_pipe().read_all()) == size);
    CHECK(first.wait().ok());
    CHECK(second.wait().ok());
    const auto closed =
        error_of([] { weft::command("true").stdin_from(weft::file_descriptor()).run(); });
    CHECK(closed.first == std::errc::bad_file_descriptor);
  });
}

TEST_CASE("a FIFO that nobody has opened yet keeps no worker", "[os][command]") {
  const scratch_directory here;
  REQUIRE(::mkfifo((here / "fifo").c_str(), 0600) == 0);
  weft::run({.workers = 1, .max_threads = 1}, [&] {
    auto reading =
        weft::spawn([&] { return output_of(weft::command("cat").stdin_from(here / "fifo")).out; });
    auto writing =
        weft::spawn([&] { return shell("echo through").stdout_to(here / "fifo").run().ok(); });
    CHECK(writing.get());
    CHECK(reading.get() == "through\n");
  });
}

namespace {

// Of bytes without a short period: what is lost, doubled or out of its place shows. At most 64 KiB.
std::span<const std::byte> part_of_much(std::size_t at, std::size_t size) {
  constexpr std::size_t period =
      65521;  // a prime, so no block of a power of two begins like the last
  static const std::vector<std::byte> pattern = [] {
    std::vector<std::byte> bytes(period + (1 << 16));
    std::uint32_t state = 1;
    for (std::size_t i = 0; i < period; ++i) {
      state = state * 1664525 + 1013904223;
      bytes[i] = static_cast<std::byte>(state >> 24);
    }
    std::copy_n(bytes.begin(), 1 << 16, bytes.begin() + period);
    return bytes;
  }();
  return std::span(pattern).subspan(at % period, size);
}

}  // namespace

TEST_CASE("much goes through a child both ways at once", "[os][command]") {
  const std::size_t size = weft_test::scaled(100 << 20);
  const auto copy = [size] {
    weft::command c("cat");
    c.stdin_from(weft::stdio::pipe).stdout_to(weft::stdio::pipe).start();
    auto writing = weft::spawn([&] {
      for (std::size_t at = 0; at < size;) {
        const std::size_t n = std::min(size - at, std::size_t{1} << 16);
        c.stdin_pipe().write(part_of_much(at, n));
        at += n;
      }
      c.stdin_pipe().close();
    });
    std::vector<std::byte> buffer(1 << 16);
    std::size_t all = 0;
    std::size_t wrong_from = size;
    while (const std::size_t n = c.stdout_pipe().read(buffer)) {
      const auto got = std::span<const std::byte>(buffer).first(n);
      if (wrong_from == size && !std::ranges::equal(got, part_of_much(all, n))) wrong_from = all;
      all += n;
    }
    writing.get();
    CHECK(c.wait().ok());
    CHECK(all == size);
    CHECK(wrong_from == size);
  };
  copy();
  weft::run(copy);
}

TEST_CASE("a process does not see what was read of its stdin before", "[os][command]") {
  in_both([] {
    auto ends = weft::pipe();
    ends.writer.write("for us");
    std::array<std::byte, 64> more;
    CHECK(error_of([&] { ends.reader.read_full(more, std::chrono::seconds(0)); }).first ==
          std::errc::timed_out);
    const std::string ours = ends.reader.rest();
    ends.writer.write("for the process");
    ends.writer.close();
    CHECK(output_of(weft::command("cat").stdin_from(std::move(ends.reader))).out ==
          "for the process");
    CHECK(ours == "for us");
  });
}

TEST_CASE("what leaves the group is not ended with it, and may keep a pipe open", "[os][command]") {
  weft::run([] {
    weft::command c = shell("setsid sleep 1000 & echo $!; exec sleep 1000");
    c.stdout_to(weft::stdio::pipe).start();
    weft::line_reader out(c.stdout_pipe());
    const pid_t left = static_cast<pid_t>(std::atoi(out.next()->c_str()));
    while (::getpgid(left) != left) weft::sleep_for(std::chrono::milliseconds(1));
    CHECK(c.wait(std::chrono::milliseconds(0)).limit_reached);
    CHECK(::kill(left, 0) == 0);
    CHECK(weft::wait_readable(c.stdout_pipe().get(), std::chrono::milliseconds(0)) ==
          weft::wait_status::timeout);
    CHECK(::kill(left, SIGKILL) == 0);
    CHECK(c.stdout_pipe().read_all() == "");
  });
}

TEST_CASE("a child that does not read is no SIGPIPE", "[os][command]") {
  struct sigaction before {};
  struct sigaction deadly {};
  deadly.sa_handler = SIG_DFL;
  ::sigaction(SIGPIPE, &deadly, &before);
  in_both([] {
    weft::command c("true");
    c.stdin_from(weft::stdio::pipe).start();
    CHECK(c.wait().ok());
    CHECK(error_of([&] { c.stdin_pipe().write("nobody"); }).first == std::errc::broken_pipe);
  });
  ::sigaction(SIGPIPE, &before, nullptr);
}

TEST_CASE("a pipe may be moved away and outlive its command", "[os][command]") {
  in_both([] {
    weft::file_descriptor out;
    {
      weft::command c("echo", {"kept"});
      c.stdout_to(weft::stdio::pipe).start();
      out = std::move(c.stdout_pipe());
      CHECK_FALSE(static_cast<bool>(c.stdout_pipe()));
      c.wait();
    }
    CHECK(out.read_all() == "kept\n");
  });
}

namespace {

// Everything that is opened then has one of the first numbers.
WEFT_CHILD_CASE("streams-are-closed") {
  const int report = ::fcntl(1, F_DUPFD_CLOEXEC, 100);
  for (int fd = 0; fd < 3; ++fd) ::close(fd);
  std::string text;
  {
    weft::command c = shell("cat; echo err >&2");
    c.stdin_from(weft::stdio::pipe).stdout_to(weft::stdio::pipe).stderr_to(weft::stdio::pipe);
    c.start();
    c.stdin_pipe().write("in ");
    c.stdin_pipe().close();
    text += c.stdout_pipe().read_all() + c.stderr_pipe().read_all();
    text += c.wait().to_string() + "\n";
  }
  {
    weft::command c = shell("cat; echo both >&2");
    c.stdin_from("/proc/sys/kernel/ostype").stdout_to(weft::stdio::pipe);
    c.stderr_to(weft::stdio::to_stdout).start();
    text += c.stdout_pipe().read_all();
    text += c.wait().to_string() + "\n";
  }
  {
    auto [reader, writer] = weft::pipe();
    weft::command c("cat");
    c.stdin_from(std::move(reader)).stdout_to(weft::stdio::pipe).start();
    writer.write("given\n");
    writer.close();
    text += c.stdout_pipe().read_all();
    text += c.wait().to_string() + "\n";
  }
  [[maybe_unused]] const auto n = ::write(report, text.data(), text.size());
  ::close(report);
}

}  // namespace

TEST_CASE("a process whose own streams are closed", "[os][command]") {
  const auto child = run_child("streams-are-closed");
  CHECK(child.exit_code == 0);
  CHECK(child.out == "in err\nexit code 0\nLinux\nboth\nexit code 0\ngiven\nexit code 0\n");
}
