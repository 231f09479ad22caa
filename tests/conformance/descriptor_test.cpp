// file_descriptor and pipe: ownership, reading, writing.
#include "bytes.hpp"
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/fd_count.hpp"
#include "support/scale.hpp"
#include "support/scratch_directory.hpp"

#include <weft/weft.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft_test::failure;
using weft_test::read_some;
using weft_test::text_of;
using weft_test::until_parked;

TEST_CASE("what is written to a pipe is read from it", "[io][pipe]") {
  auto check = [] {
    auto [reader, writer] = weft::pipe();
    writer.write("hello");
    CHECK(read_some(reader) == "hello");
    const std::string text = "bytes";
    writer.write(std::as_bytes(std::span(text)));
    CHECK(read_some(reader, 2) == "by");
    CHECK(read_some(reader) == "tes");
    CHECK(writer.write_some(std::as_bytes(std::span(text))) == 5);
    writer.write("");
    writer.close();
    CHECK(reader.read_all() == "bytes");
    CHECK(read_some(reader) == "");
  };
  check();
  weft::run(check);
}

TEST_CASE("descriptors own, move and close", "[io]") {
  static_assert(!std::is_copy_constructible_v<weft::file_descriptor>);
  static_assert(std::is_nothrow_move_constructible_v<weft::file_descriptor>);
  const auto before = weft_test::fd_count();
  {
    weft::file_descriptor none;
    CHECK_FALSE(static_cast<bool>(none));
    CHECK(none.get() == -1);
    none.close();
    auto ends = weft::pipe();
    CHECK(static_cast<bool>(ends.reader));
    CHECK((::fcntl(ends.reader.get(), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK((::fcntl(ends.writer.get(), F_GETFD) & FD_CLOEXEC) != 0);
    const int number = ends.reader.get();
    weft::file_descriptor moved = std::move(ends.reader);
    CHECK(moved.get() == number);
    CHECK_FALSE(static_cast<bool>(ends.reader));
    ends.writer = std::move(moved);
    CHECK(ends.writer.get() == number);
    weft::file_descriptor copy = weft::file_descriptor::duplicate(number);
    CHECK(copy.get() != number);
    CHECK((::fcntl(copy.get(), F_GETFD) & FD_CLOEXEC) != 0);
    copy.close();
    copy.close();
    CHECK_FALSE(static_cast<bool>(copy));
    const int raw = ends.writer.release();
    CHECK(raw == number);
    CHECK_FALSE(static_cast<bool>(ends.writer));
    CHECK(::close(raw) == 0);
  }
  // The first waits may have opened the poller's own descriptors.
  CHECK(weft_test::fd_count() <= before + 4);
}

TEST_CASE("taking a descriptor over leaves O_NONBLOCK as it is", "[io]") {
  int fds[2];
  REQUIRE(::pipe(fds) == 0);
  weft::file_descriptor reader(fds[0]);
  weft::file_descriptor writer(fds[1]);
  weft::run([&] {
    // In blocking mode; a read that has to wait parks the goroutine and not its worker.
    auto waiting = weft::spawn([&] { return read_some(reader); });
    until_parked(1);
    writer.write("late");
    CHECK(waiting.get() == "late");
  });
  CHECK((::fcntl(fds[0], F_GETFL) & O_NONBLOCK) == 0);
  CHECK((::fcntl(fds[1], F_GETFL) & O_NONBLOCK) == 0);
}

TEST_CASE("blocking mode with back-pressure", "[io]") {
  int fds[2];
  REQUIRE(::pipe(fds) == 0);
  weft::file_descriptor reader(fds[0]);
  weft::file_descriptor writer(fds[1]);
  const std::size_t size = weft_test::scaled(1 << 20);
  weft::run({.workers = 1}, [&] {
    auto writing = weft::spawn([&] {
      writer.write(std::string(size, 'b'));
      writer.close();
    });
    CHECK(reader.read_all().size() == size);
    writing.get();
  });
}

TEST_CASE("read_full fills, or reaches the end", "[io]") {
  weft::run([] {
    auto ends = weft::pipe();
    weft::go([&] {
      for (const char* part : {"ab", "cde", "f", "gh"}) {
        ends.writer.write(part);
        weft::yield();
      }
      ends.writer.close();
    });
    std::array<std::byte, 6> six;
    CHECK(ends.reader.read_full(six) == 6);
    CHECK(text_of(six) == "abcdef");
    CHECK(ends.reader.read_full(six) == 2);
    CHECK(text_of(std::span(six).first(2)) == "gh");
    CHECK(ends.reader.read_full(six) == 0);
  });
}

TEST_CASE("read_all and its bound", "[io]") {
  weft::run([] {
    {
      auto ends = weft::pipe();
      ends.writer.write("12345");
      ends.writer.close();
      CHECK(ends.reader.read_all({}, 5) == "12345");
    }
    {
      auto ends = weft::pipe();
      ends.writer.write("123456");
      ends.writer.close();
      CHECK(failure([&] { ends.reader.read_all({}, 5); }) == std::errc::message_size);
    }
    {
      auto ends = weft::pipe();
      ends.writer.close();
      CHECK(ends.reader.read_all() == "");
    }
  });
}

TEST_CASE("write goes on under back-pressure", "[io]") {
  const std::size_t size = weft_test::scaled(4 << 20);
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i % 23);
  auto transfer = [&] {
    auto ends = weft::pipe();
    auto reading = weft::spawn([&] { return ends.reader.read_all({}, size); });
    ends.writer.write(text);
    ends.writer.close();
    CHECK((reading.get() == text));
  };
  weft::run(transfer);
  transfer();  // the writer a plain thread
}

TEST_CASE("write_some says how much of it was written", "[io]") {
  auto check = [] {
    auto ends = weft::pipe();
    std::string text(1 << 20, '\0');
    for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i % 23);
    const auto bytes = std::as_bytes(std::span(text));
    const std::size_t first = ends.writer.write_some(bytes);
    CHECK(first > 0);
    CHECK(first < bytes.size());  // a pipe holds less
    // Full: it waits for room, and writes no more than that.
    CHECK(failure([&] { ends.writer.write_some(bytes.subspan(first), 0ms); }) ==
          std::errc::timed_out);
    std::vector<std::byte> out(first);
    CHECK(ends.reader.read_full(out) == first);
    const std::size_t second = ends.writer.write_some(bytes.subspan(first));
    ends.writer.close();
    CHECK((text_of(out) + ends.reader.read_all() == text.substr(0, first + second)));
  };
  check();
  weft::run(check);
}

TEST_CASE("regular files", "[io]") {
  const weft_test::scratch_directory directory;
  weft::run([&] {
    auto path = directory / "file";
    {
      auto f = weft::file_descriptor::open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
      CHECK((::fcntl(f.get(), F_GETFD) & FD_CLOEXEC) != 0);
      f.write("line\n");
      f.write(std::string(100000, 'z'));
    }
    auto f = weft::file_descriptor::open(path, O_RDONLY);
    CHECK(read_some(f, 5) == "line\n");
    CHECK(f.read_all() == std::string(100000, 'z'));
    CHECK(read_some(f) == "");
    CHECK(failure([&] { weft::file_descriptor::open(directory / "none", O_RDONLY); }) ==
          std::errc::no_such_file_or_directory);
  });
}

TEST_CASE("many pipes at once", "[io][pipe]") {
  const int count = weft_test::scaled(200);
  weft::run([count] {
    // A ring of pipes that a token goes around.
    std::vector<weft::pipe_ends> pipes;
    for (int i = 0; i < count; ++i) pipes.push_back(weft::pipe());
    weft::wait_group group;
    for (int i = 0; i < count; ++i) {
      group.go([&, i] {
        for (int turn = 0; turn < 3; ++turn) {
          std::array<std::byte, 1> token;
          if (pipes[i].reader.read(token) != 1) return;
          token[0] = std::byte(std::to_integer<int>(token[0]) + 1);
          pipes[(i + 1) % count].writer.write(token);
        }
      });
    }
    std::array<std::byte, 1> token{std::byte(0)};
    pipes[0].writer.write(token);
    group.wait();
    CHECK(pipes[0].reader.read(token) == 1);
    CHECK(token[0] == std::byte((3 * count) % 256));
  });
}
