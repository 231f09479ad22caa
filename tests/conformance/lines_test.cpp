// line_reader and lines(): bytes are exact, whatever the pieces in which they come.
#include "bytes.hpp"
#include "collect.hpp"
#include "left_over.hpp"
#include "support/catch.hpp"
#include "support/fd_count.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::chan_status;
using weft_test::failure;
using weft_test::until_parked;

namespace {

// What std::getline would make of it.
std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> all;
  while (!text.empty()) {
    const std::size_t n = text.find('\n');
    all.emplace_back(text.substr(0, n));
    text.remove_prefix(n == std::string_view::npos ? text.size() : n + 1);
  }
  return all;
}

// A pipe into which a goroutine writes the text, so many bytes at a time, and then its end.
weft::file_descriptor source_of(std::string text, std::size_t at_once) {
  auto ends = weft::pipe();
  weft::go([to = std::move(ends.writer), text = std::move(text), at_once]() mutable {
    try {
      for (std::size_t at = 0; at < text.size(); at += at_once) {
        to.write(std::string_view(text).substr(at, at_once));
      }
    } catch (const std::system_error&) {  // nobody reads to the end
    }
  });
  return std::move(ends.reader);
}

std::string long_text(std::size_t lines) {
  std::string text;
  for (std::size_t i = 0; i < lines; ++i) {
    text += std::string((i * 37) % 251 + (i % 50 == 0 ? 9000 : 0), static_cast<char>('a' + i % 26));
    if (i % 3 == 0) text += '\r';
    if (i % 7 == 0) text += '\0';
    text += '\n';
  }
  return text + "no newline at the end";
}

std::vector<std::string> all_of(const weft::recv_chan<std::string>& c) {
  std::vector<std::string> all;
  for (std::string& line : c) all.push_back(std::move(line));
  return all;
}

}  // namespace

TEST_CASE("line_reader gives each line and the last one without its end", "[io][lines]") {
  auto check = [] {
    for (const char* text : {"", "\n", "a", "a\n", "\n\n", "a\r\nb", "\na\n\nb\n", "ab\ncd\nef"}) {
      for (std::size_t at_once : {1, 2, 64}) {
        auto source = source_of(text, at_once);
        weft::line_reader reader(source);
        std::vector<std::string> got;
        while (auto line = reader.next()) got.push_back(*line);
        CHECK(got == lines_of(text));
        CHECK(reader.next() == std::nullopt);
        CHECK(reader.rest() == "");
      }
    }
  };
  check();
  weft::run(check);
}

TEST_CASE("line_reader: lines of any length, however they come", "[io][lines]") {
  const std::string text = long_text(weft_test::scaled(2000));
  const auto wanted = lines_of(text);
  weft::run([&] {
    for (std::size_t at_once : {std::size_t{997}, std::size_t{1} << 20}) {
      auto source = source_of(text, at_once);
      weft::line_reader reader(source);
      std::vector<std::string> got;
      while (auto line = reader.next(1h)) got.push_back(std::move(*line));
      CHECK((got == wanted));
    }
  });
}

TEST_CASE("a line longer than max_line: message_size until rest() took it", "[io][lines]") {
  auto check = [] {
    auto ends = weft::pipe();
    weft::line_reader reader(ends.reader, 4);
    ends.writer.write("abcd\n12345");
    CHECK(reader.next() == "abcd");  // exactly so long
    CHECK(failure([&] { reader.next(); }) == std::errc::message_size);
    CHECK(failure([&] { reader.next(1h); }) == std::errc::message_size);
    CHECK(reader.rest() == "12345");
    ends.writer.write("67\nx\ntoo long\nmore\n");
    CHECK(reader.next() == "67");  // what is left of the long one
    CHECK(reader.next() == "x");
    CHECK(failure([&] { reader.next(); }) == std::errc::message_size);
    CHECK(reader.rest() == "too long\nmore\n");
    ends.writer.write("last");
    ends.writer.close();
    CHECK(reader.next() == "last");
    CHECK(reader.next() == std::nullopt);
  };
  check();
  weft::run(check);
  auto source = source_of("123", 3);
  weft::line_reader none(source, 0);
  try {
    none.next();
    FAIL("a line of no bytes");
  } catch (const std::system_error& e) {
    CHECK_THAT(e.what(), weft_test::contains("line_reader::next"));
    CHECK_THAT(e.what(), weft_test::contains("descriptor " + std::to_string(source.get())));
  }
}

TEST_CASE("what a line_reader had read when its limit passed stays", "[io][lines]") {
  auto check = [] {
    auto ends = weft::pipe();
    weft::line_reader reader(ends.reader);
    ends.writer.write("par");
    CHECK(failure([&] { reader.next(1ms); }) == std::errc::timed_out);
    auto [ctx, cancel] = weft::with_cancel(weft::background());
    cancel();
    CHECK(failure([&] { reader.next(ctx); }) == std::errc::operation_canceled);
    ends.writer.write("tly\nnext\nand");
    CHECK(reader.next(0ms) == "partly");
    CHECK(reader.next(ctx) == "next");
    CHECK(reader.rest() == "and");
    ends.reader.close();
    CHECK(failure([&] { reader.next(); }) == std::errc::bad_file_descriptor);
  };
  check();
  weft::run(check);
}

TEST_CASE("lines of a regular file", "[io][lines]") {
  const auto path = std::filesystem::temp_directory_path() /
                    ("weft-lines-test-" + std::to_string(::getpid()));
  weft_test::at_end clean([&] { std::filesystem::remove(path); });
  const std::string text = long_text(300);
  weft::run([&] {
    weft::file_descriptor::open(path, O_WRONLY | O_CREAT | O_EXCL, 0600).write(text);
    auto file = weft::file_descriptor::open(path, O_RDONLY);
    weft::line_reader reader(file);
    std::vector<std::string> got;
    while (auto line = reader.next()) got.push_back(std::move(*line));
    CHECK((got == lines_of(text)));
    CHECK((all_of(weft::lines(weft::file_descriptor::open(path, O_RDONLY))) == lines_of(text)));
  });
}

TEST_CASE("lines() sends each line and closes at the end", "[io][lines]") {
  const auto before = weft_test::fd_count();
  const std::string text = long_text(weft_test::scaled(1000));
  auto check = [&] {
    CHECK(all_of(weft::lines(source_of("", 1))).empty());
    CHECK((all_of(weft::lines(source_of("a\n\nb\r\nc", 1))) ==
           std::vector<std::string>{"a", "", "b\r", "c"}));
    CHECK((all_of(weft::lines(source_of(text, 1500))) == lines_of(text)));
  };
  check();
  weft::run([&] {
    check();
    weft_test::until_nothing_is_left();
  });
  CHECK(weft_test::fd_count() <= before + 4);
}

TEST_CASE("lines() gives longer lines in pieces", "[io][lines]") {
  auto check = [](std::string text, std::vector<std::string> wanted) {
    for (std::size_t at_once : {1, 3, 64}) {
      CHECK((all_of(weft::lines(source_of(text, at_once), weft::background(), 3)) == wanted));
    }
  };
  weft::run([&] {
    check("abc\n", {"abc"});
    check("abcd\n", {"abc", "d"});
    check("abcdef\nx\n", {"abc", "def", "x"});
    check("abcdefg", {"abc", "def", "g"});
    check("abcdef", {"abc", "def"});
    check("\n\nabc\n\n", {"", "", "abc", ""});
    CHECK(all_of(weft::lines(source_of("ab\n", 2), weft::background(), 0)).size() == 2);
  });
}

TEST_CASE("lines() reads no faster than they are received", "[io][lines]") {
  weft::run([] {
    auto ends = weft::pipe();
    auto received = weft::lines(std::move(ends.reader));
    // Far more than it may hold: in the channel, in its buffer and in the pipe.
    const std::string line(999, 'l');
    const int most = 2000;
    auto writing = weft::spawn([&] {
      int written = 0;
      for (; written < most; ++written) ends.writer.write(line + '\n');
      ends.writer.close();
      return written;
    });
    until_parked(2);
    CHECK(received.size() <= received.capacity());
    CHECK_FALSE(writing.done());
    int n = 0;
    while (auto got = received.recv()) {
      REQUIRE((*got == line));
      ++n;
    }
    CHECK(n == most);
    CHECK(writing.get() == most);
  });
}

TEST_CASE("lines() ends with its context, reading or sending, and closes what it owns", "[io][lines]") {
  const auto before = weft_test::fd_count();
  auto check = [](bool reads) {
    auto [ctx, cancel] = weft::with_cancel(weft::background());
    auto ends = weft::pipe();
    const int number = ends.reader.get();
    auto received = weft::lines(std::move(ends.reader), ctx);
    if (!reads) {
      for (int i = 0; i < 100; ++i) ends.writer.write("line\n");
    }
    until_parked(1);
    cancel();
    std::size_t n = 0;
    while (received.recv()) ++n;
    CHECK(n <= 100);
    CHECK(received.closed());
    // The channel is closed by the goroutine's last act but this one.
    while (::fcntl(number, F_GETFD) != -1) weft::yield();
    CHECK(failure([&] { ends.writer.write("x"); }) == std::errc::broken_pipe);
  };
  weft::run([&] {
    check(true);
    check(false);
    auto [ctx, cancel] = weft::with_cancel(weft::background());
    cancel();
    CHECK(all_of(weft::lines(source_of("a\nb\n", 4), ctx)).size() <= 2);
    weft_test::until_nothing_is_left();
  });
  CHECK(weft_test::fd_count() <= before + 4);
}

TEST_CASE("lines() ends at an error, with what came before", "[io][lines]") {
  weft::run([] {
    int fds[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    weft::file_descriptor ours(fds[0]);
    weft::file_descriptor theirs(fds[1]);
    theirs.write("unread");  // so that its close is a reset
    ours.write("line\npart");
    auto received = weft::lines(std::move(theirs));
    CHECK(received.recv() == "line");
    ours.close();
    while (received.recv()) {
    }
    CHECK(received.closed());
    CHECK(all_of(weft::lines(weft::file_descriptor())).empty());
    CHECK(all_of(weft::lines(weft::file_descriptor::open("/", O_RDONLY | O_DIRECTORY))).empty());
  });
}

TEST_CASE("lines() ends when nobody receives any more", "[io][lines]") {
  const auto before = weft_test::fd_count();
  auto check = [](std::string text) {
    auto ends = weft::pipe();
    ends.writer.write(text);
    {
      auto received = weft::lines(std::move(ends.reader));
      auto copy = received;
      CHECK(copy.recv() == "first");
      received = {};
      until_parked(1);
    }
    weft_test::until_nothing_is_left();
    CHECK(failure([&] { ends.writer.write("x"); }) == std::errc::broken_pipe);
  };
  weft::run([&] {
    std::string many = "first\n";
    for (int i = 0; i < 500; ++i) many += "more\n";
    check("first\n");  // it waits for bytes
    check(many);       // it waits for room in the channel
    weft::lines(source_of(many, 100));
    weft_test::until_nothing_is_left();
  });
  CHECK(weft_test::fd_count() <= before + 4);
}

TEST_CASE("lines() of a run that ends closes its channel and its descriptor", "[io][lines]") {
  auto ends = weft::pipe();
  const int number = ends.reader.get();
  weft::recv_chan<std::string> received;
  weft::run([&] {
    received = weft::lines(std::move(ends.reader));
    ends.writer.write("a\n");
    CHECK(received.recv() == "a");
    until_parked(1);
  });
  std::optional<std::string> line;
  CHECK(received.try_recv(line) == chan_status::closed);
  CHECK(::fcntl(number, F_GETFD) == -1);
}

TEST_CASE("lines are received by plain threads and in selects", "[io][lines]") {
  auto received = weft::lines(source_of("a\nb\nc\n", 2));
  std::vector<std::string> got;
  std::thread thread([&] {
    while (got.size() < 3) {
      std::optional<std::string> line;
      weft::select(weft::on_recv(received, line), weft::on_timeout(1h));
      got.push_back(line.value_or("closed"));
    }
  });
  thread.join();
  CHECK((got == std::vector<std::string>{"a", "b", "c"}));
  CHECK(received.recv() == std::nullopt);
}
