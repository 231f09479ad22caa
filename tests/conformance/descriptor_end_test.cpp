// file_descriptor: closes, the other end gone, time-outs.
#include "bytes.hpp"
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/fd_count.hpp"
#include "support/no_spare_thread.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

using namespace std::chrono_literals;
using weft_test::failure;
using weft_test::read_some;
using weft_test::text_of;
using weft_test::until_parked;

TEST_CASE("close wakes whoever waits", "[io][close]") {
  weft::run([] {
    auto ends = weft::pipe();
    auto reading = weft::spawn([&] { return failure([&] { read_some(ends.reader); }); });
    until_parked(1);
    ends.reader.close();
    CHECK(reading.get() == std::errc::bad_file_descriptor);
    CHECK(failure([&] { read_some(ends.reader); }) == std::errc::bad_file_descriptor);

    auto full = weft::pipe();
    auto writing = weft::spawn([&] {
      const std::string block(1 << 20, 'f');
      return failure([&] { full.writer.write(block); });
    });
    until_parked(1);
    full.writer.close();
    CHECK(writing.get() == std::errc::bad_file_descriptor);
    CHECK(failure([&] { full.writer.write("x"); }) == std::errc::bad_file_descriptor);
    CHECK(failure([&] { weft::file_descriptor().read({}); }) == std::errc::bad_file_descriptor);
  });
}

TEST_CASE("the writer's end is the reader's end of file", "[io][close]") {
  weft::run([] {
    auto ends = weft::pipe();
    auto reading = weft::spawn([&] { return ends.reader.read_all(); });
    ends.writer.write("last words");
    until_parked(1);
    ends.writer.close();
    CHECK(reading.get() == "last words");
  });
}

TEST_CASE("the other end gone: broken_pipe, never SIGPIPE", "[io][close]") {
  auto check = [] {
    auto ends = weft::pipe();
    ends.reader.close();
    CHECK(failure([&] { ends.writer.write("x"); }) == std::errc::broken_pipe);
    CHECK(failure([&] { ends.writer.write("x", 1ms); }) == std::errc::broken_pipe);
  };
  check();
  weft::run(check);
  weft::run([] {
    auto ends = weft::pipe();
    auto writing = weft::spawn([&] {
      const std::string block(1 << 20, 'f');
      return failure([&] { ends.writer.write(block); });
    });
    until_parked(1);
    ends.reader.close();
    CHECK(writing.get() == std::errc::broken_pipe);
  });
}

TEST_CASE("a time-out loses no data", "[io][timeout]") {
  auto check = [] {
    auto ends = weft::pipe();
    for (auto limit : {0ms, 1ms, 5ms}) {
      auto start = weft::clock::now();
      std::array<std::byte, 4> four;
      CHECK(failure([&] { ends.reader.read(four, limit); }) == std::errc::timed_out);
      CHECK(weft::clock::now() - start >= limit);
    }
    // read_full and read_all had some of it already: it stays for the next call.
    ends.writer.write("abc");
    std::array<std::byte, 5> five;
    CHECK(failure([&] { ends.reader.read_full(five, 2ms); }) == std::errc::timed_out);
    ends.writer.write("de");
    CHECK(failure([&] { ends.reader.read_all(2ms); }) == std::errc::timed_out);
    ends.writer.write("fg");
    CHECK(ends.reader.read_full(five, 1h) == 5);
    CHECK(text_of(five) == "abcde");
    ends.writer.close();
    CHECK(ends.reader.read_all() == "fg");
  };
  check();
  weft::run(check);
}

TEST_CASE("what a call had read moves with its descriptor, and rest() takes it", "[io][timeout]") {
  auto check = [] {
    auto ends = weft::pipe();
    std::array<std::byte, 5> five;
    auto hold = [&](weft::file_descriptor& from, std::string_view text) {
      ends.writer.write(text);
      CHECK(failure([&] { from.read_full(five, 0ms); }) == std::errc::timed_out);
    };
    hold(ends.reader, "abc");
    // The system knows nothing of it.
    CHECK(weft::wait_readable(ends.reader.get(), 0ms) == weft::wait_status::timeout);
    weft::file_descriptor moved = std::move(ends.reader);
    CHECK(ends.reader.rest() == "");
    CHECK(read_some(moved, 2) == "ab");
    CHECK(moved.rest() == "c");
    CHECK(moved.rest() == "");
    hold(moved, "def");
    weft::file_descriptor assigned;
    assigned = std::move(moved);
    ends.writer.write("ghi");
    CHECK(read_some(assigned) == "def");
    CHECK(read_some(assigned) == "ghi");
    // Whom the number goes to does not see it; it is still here.
    hold(assigned, "jkl");
    weft::file_descriptor other(assigned.release());
    ends.writer.write("mno");
    CHECK(read_some(other) == "mno");
    CHECK(assigned.rest() == "jkl");
    hold(other, "pqr");
    other.close();
    CHECK(other.rest() == "pqr");
  };
  check();
  weft::run(check);
}

TEST_CASE("a read's limit leaves its writer alone, and a write's its reader", "[io][timeout]") {
  weft::run([] {
    auto ends = weft::pipe();
    const std::string block(1 << 20, 'f');
    CHECK(failure([&] { ends.writer.write(block, 1ms); }) == std::errc::timed_out);
    CHECK(read_some(ends.reader, 100) == std::string(100, 'f'));
  });
}

TEST_CASE("assigning over a descriptor that is in use ends the use and closes both in their time",
          "[io][close]") {
  auto old_pipe = weft::pipe();
  auto new_pipe = weft::pipe();
  const int old_number = old_pipe.reader.get();
  const int new_number = new_pipe.reader.get();
  weft::run(weft_test::no_spare_thread(), [&] {
    auto reading = weft::spawn([&] { return failure([&] { read_some(old_pipe.reader); }); });
    until_parked(1);
    old_pipe.reader = std::move(new_pipe.reader);
    CHECK(reading.get() == std::errc::bad_file_descriptor);
    CHECK(old_pipe.reader.get() == new_number);
    new_pipe.writer.write("x");
    CHECK(read_some(old_pipe.reader) == "x");
  });
  old_pipe.reader.close();
  CHECK(::fcntl(old_number, F_GETFD) == -1);
  CHECK(::fcntl(new_number, F_GETFD) == -1);
}

TEST_CASE("a descriptor that was released may be assigned to, and closes what it got",
          "[io][close]") {
  auto ends = weft::pipe();
  const int released = ends.writer.release();
  CHECK(ends.writer.release() == -1);
  CHECK(::fcntl(released, F_GETFD) != -1);
  CHECK(::close(released) == 0);
  auto others = weft::pipe();
  ends.writer = std::move(others.writer);
  const int number = ends.writer.get();
  ends.writer.close();
  CHECK(ends.writer.get() == -1);
  CHECK(::fcntl(number, F_GETFD) == -1);
}

TEST_CASE("a descriptor that is in use is released once, and not closed", "[io][close]") {
  auto ends = weft::pipe();
  weft::run({.workers = 1}, [&] {
    auto reading = weft::spawn([&] { return failure([&] { read_some(ends.reader); }); });
    until_parked(1);
    const int number = ends.reader.release();
    CHECK(number >= 0);
    CHECK(ends.reader.release() == -1);
    CHECK(reading.get() == std::errc::bad_file_descriptor);
    CHECK(::fcntl(number, F_GETFD) != -1);
    CHECK(::close(number) == 0);
  });
}

TEST_CASE("one reads while another writes and a third closes", "[io][close]") {
  const int rounds = weft_test::scaled(300);
  weft_test::notes notes;
  weft::run([&] {
    for (int i = 0; i < rounds; ++i) {
      auto ends = weft::pipe();
      auto ends_well = [&notes](std::errc e) {
        notes.expect(e == std::errc::bad_file_descriptor || e == std::errc::broken_pipe,
                     "ended by something else");
      };
      weft::wait_group group;
      group.go([&] {
        ends_well(failure([&] {
          for (;;) {
            if (read_some(ends.reader).empty()) {
              throw std::system_error(EPIPE, std::generic_category());
            }
          }
        }));
      });
      group.go([&] {
        ends_well(failure([&] {
          for (;;) ends.writer.write("some text");
        }));
      });
      for (int k = 0; k < i % 7; ++k) weft::yield();
      if (i % 2 == 0) ends.reader.close();
      ends.writer.close();
      if (i % 2 != 0) ends.reader.close();
      group.wait();
    }
  });
  CHECK(notes.text() == "");
}
