// Terminals in blocking mode, as stdin is: no call on one keeps a worker, whatever room it has.
#include "bytes.hpp"
#include "collect.hpp"
#include "processes.hpp"
#include "support/catch.hpp"
#include "support/no_spare_thread.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

using namespace std::chrono_literals;
using weft_test::failure;
using weft_test::no_spare_thread;
using weft_test::read_some;
using weft_test::until_parked;

namespace {

enum class mode { lines, raw };

// Both sides in blocking mode.
struct terminal {
  explicit terminal(mode how = mode::raw) : screen(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
    std::array<char, 64> name{};
    if (::grantpt(screen.get()) != 0 || ::unlockpt(screen.get()) != 0 ||
        ::ptsname_r(screen.get(), name.data(), name.size()) != 0) {
      throw std::system_error(errno, std::generic_category(), "a pseudo-terminal");
    }
    program = weft::file_descriptor(::open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC));
    termios t{};
    if (::tcgetattr(program.get(), &t) != 0) {
      throw std::system_error(errno, std::generic_category(), "tcgetattr");
    }
    if (how == mode::raw) {
      ::cfmakeraw(&t);
    } else {
      t.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    }
    ::tcsetattr(program.get(), TCSANOW, &t);
  }
  weft::file_descriptor screen;   // and keyboard
  weft::file_descriptor program;  // what a program has as its stdin and stdout
};

std::vector<std::unique_ptr<terminal>> one_for_each_worker(mode how = mode::raw) {
  std::vector<std::unique_ptr<terminal>> all;
  for (unsigned i = 0; i < no_spare_thread().workers; ++i)
    all.push_back(std::make_unique<terminal>(how));
  return all;
}

bool is_blocking(const weft::file_descriptor& d) {
  return (::fcntl(d.get(), F_GETFL) & O_NONBLOCK) == 0;
}

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i % 23);
  return text;
}

std::string read_exactly(weft::file_descriptor& from, std::size_t size) {
  std::vector<std::byte> bytes(size);
  return weft_test::text_of(std::span(bytes).first(from.read_full(bytes)));
}

}  // namespace

TEST_CASE("who reads a terminal in blocking mode keeps no worker", "[io][terminal]") {
  const auto all = one_for_each_worker(mode::lines);
  weft::run(no_spare_thread(), [&] {
    std::vector<weft::join_handle<std::string>> reading;
    for (const auto& t : all)
      reading.push_back(weft::spawn([&t] { return read_some(t->program); }));
    until_parked(all.size());
    for (const auto& t : all) t->screen.write("half a ");
    for (const auto& t : all) t->screen.write("line\nand ");
    for (auto& r : reading) CHECK(r.get() == "half a line\n");
    all[0]->screen.write("more\n");
    CHECK(read_some(all[0]->program) == "and more\n");
    CHECK(is_blocking(all[0]->program));
    CHECK(is_blocking(all[0]->screen));
  });
}

// A write of what has no room blocks in the kernel, although the terminal was ready for some of it.
TEST_CASE("who writes to a full terminal in blocking mode keeps no worker", "[io][terminal]") {
  const auto all = one_for_each_worker();
  const std::string text = pattern(100000);
  weft::run(no_spare_thread(), [&] {
    weft::wait_group writing;
    for (const auto& t : all) writing.go([&] { t->program.write(text); });
    until_parked(all.size());
    for (const auto& t : all) CHECK((read_exactly(t->screen, text.size()) == text));
    writing.wait();
    CHECK(is_blocking(all[0]->program));
  });
}

TEST_CASE("a terminal that was stopped keeps no worker, and its limit holds", "[io][terminal]") {
  const auto all = one_for_each_worker();
  weft::run(no_spare_thread(), [&] {
    for (const auto& t : all) REQUIRE(::tcflow(t->program.get(), TCOOFF) == 0);
    CHECK(failure([&] { all[0]->program.write("too late", 2ms); }) == std::errc::timed_out);
    weft::wait_group writing;
    for (const auto& t : all) writing.go([&] { t->program.write("some text"); });
    until_parked(all.size());
    for (const auto& t : all) CHECK(::tcflow(t->program.get(), TCOON) == 0);
    for (const auto& t : all) CHECK(read_some(t->screen) == "some text");
    writing.wait();
  });
}

TEST_CASE("limit, context and close end the wait for a terminal", "[io][terminal]") {
  auto check = [] {
    terminal t;
    CHECK(failure([&] { read_some(t.program, 0ms); }) == std::errc::timed_out);
    CHECK(failure([&] { read_some(t.program, 2ms); }) == std::errc::timed_out);
    auto [ctx, cancel] = weft::with_cancel(weft::background());
    cancel();
    CHECK(failure([&] { read_some(t.program, ctx); }) == std::errc::operation_canceled);
    t.screen.write("x");
    CHECK(read_some(t.program, ctx) == "x");  // what is ready is done
  };
  check();
  weft::run(no_spare_thread(), check);
  weft::run(no_spare_thread(), [] {
    terminal t;
    auto reading = weft::spawn([&] { return failure([&] { read_some(t.program); }); });
    until_parked(1);
    t.program.close();
    CHECK(reading.get() == std::errc::bad_file_descriptor);
  });
}

TEST_CASE("a terminal whose mode somebody changes between two calls", "[io][terminal]") {
  weft::run(no_spare_thread(), [] {
    terminal t;
    const std::string text = pattern(50000);
    for (const int flags : {O_RDWR | O_NONBLOCK, O_RDWR, O_RDWR | O_NONBLOCK}) {
      REQUIRE(::fcntl(t.program.get(), F_SETFL, flags) == 0);
      auto reading = weft::spawn([&] { return read_some(t.program); });
      until_parked(1);
      t.screen.write("typed");
      CHECK(reading.get() == "typed");
      auto writing = weft::spawn([&] { t.program.write(text); });
      CHECK((read_exactly(t.screen, text.size()) == text));
      writing.get();
    }
  });
}

TEST_CASE("a coroutine that reads and writes terminals in blocking mode keeps no worker",
          "[io][terminal][coro]") {
  const auto all = one_for_each_worker();
  const std::string text = pattern(50000);
  weft::run(no_spare_thread(), [&] {
    std::vector<weft::join_handle<std::string>> running;
    for (const auto& t : all) {
      running.push_back(weft::spawn(
          [](weft::file_descriptor& d, std::string_view out) -> weft::coro<std::string> {
            std::array<std::byte, 16> bytes{};
            const std::size_t n = co_await d.async_read(bytes);
            co_await d.async_write(out);
            co_return weft_test::text_of(std::span(bytes).first(n));
          }(t->program, text)));
    }
    until_parked(all.size());
    for (const auto& t : all) t->screen.write("go");
    for (const auto& t : all) CHECK((read_exactly(t->screen, text.size()) == text));
    for (auto& r : running) CHECK(r.get() == "go");
  });
}

TEST_CASE("lines from a terminal", "[io][terminal][lines]") {
  weft::run(no_spare_thread(), [] {
    terminal t(mode::lines);
    auto typed = weft::lines(weft::file_descriptor::duplicate(t.program.get()));
    until_parked(1);
    t.screen.write("one\n");
    CHECK(typed.recv() == "one");
    t.screen.write("two\nlast");
    CHECK(typed.recv() == "two");
    t.screen.write("\x04");  // gives the line as it is
    t.screen.write("\x04");  // an empty one: the end
    CHECK(typed.recv() == "last");
    CHECK(typed.recv() == std::nullopt);
  });
}

TEST_CASE("counters, timers and devices in blocking mode", "[io][blocking-mode]") {
  weft::run(no_spare_thread(), [] {
    std::uint64_t got = 0;
    const auto into = std::as_writable_bytes(std::span(&got, 1));

    weft::file_descriptor counter(::eventfd(0, EFD_CLOEXEC));
    auto add = [&](std::uint64_t n, weft::wait_limit limit = {}) {
      counter.write(std::as_bytes(std::span(&n, 1)), limit);
    };
    auto counting = weft::spawn([&] {
      std::uint64_t count = 0;
      counter.read(std::as_writable_bytes(std::span(&count, 1)));
      return count;
    });
    until_parked(1);
    add(7);
    CHECK(counting.get() == 7);
    add(~std::uint64_t{0} - 1);  // full
    CHECK(failure([&] { add(1, 1ms); }) == std::errc::timed_out);
    auto adding = weft::spawn([&] { add(5); });
    until_parked(1);
    CHECK(counter.read(into) == 8);
    adding.get();
    CHECK(counter.read(into) == 8);
    CHECK(got == 5);

    weft::file_descriptor timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
    const itimerspec soon{{}, {0, 1'000'000}};
    REQUIRE(::timerfd_settime(timer.get(), 0, &soon, nullptr) == 0);
    CHECK(timer.read(into) == 8);
    CHECK(got == 1);

    auto null = weft::file_descriptor::open("/dev/null", O_RDWR);
    null.write("nothing");
    CHECK(null.read(into) == 0);
    auto zero = weft::file_descriptor::open("/dev/zero", O_RDONLY);
    CHECK(zero.read_full(into) == 8);
    CHECK(got == 0);
  });
}

// Opening a FIFO waits for who opens its other end.
TEST_CASE("who opens a FIFO keeps no worker until its other end is opened", "[io][open]") {
  const weft_test::scratch_directory here;
  const unsigned n = no_spare_thread().workers;
  auto path = [&](unsigned i) { return here / std::to_string(i).c_str(); };
  for (unsigned i = 0; i < n; ++i) REQUIRE(::mkfifo(path(i).c_str(), 0600) == 0);
  weft::run(no_spare_thread(), [&] {
    std::vector<weft::join_handle<weft::file_descriptor>> opening;
    for (unsigned i = 0; i < n; ++i) {
      opening.push_back(
          weft::spawn([&, i] { return weft::file_descriptor::open(path(i), O_WRONLY); }));
    }
    until_parked(n);
    for (unsigned i = 0; i < n; ++i) {
      auto reader = weft::file_descriptor::open(path(i), O_RDONLY);
      auto writer = opening[i].get();
      CHECK((::fcntl(writer.get(), F_GETFD) & FD_CLOEXEC) != 0);
      CHECK(is_blocking(writer));
      writer.write("through");
      CHECK(read_some(reader) == "through");
    }
  });
}
