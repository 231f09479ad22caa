// async_read, async_read_full, async_write, async_wait_readable, async_wait_writable.
#include "bytes.hpp"
#include "collect.hpp"
#include "coroutines.hpp"
#include "left_over.hpp"
#include "support/catch.hpp"
#include "support/fd_count.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::async_wait_readable;
using weft::async_wait_writable;
using weft::coro;
using weft::wait_status;
using weft_test::eager;
using weft_test::failure;
using weft_test::text_of;
using weft_test::until_parked;

namespace {

coro<std::string> read_once(weft::file_descriptor& from, std::size_t at_most = 64,
                            weft::wait_limit limit = {}) {
  std::vector<std::byte> buffer(at_most);
  const std::size_t n = co_await from.async_read(buffer, limit);
  co_return text_of(std::span(buffer).first(n));
}

coro<std::errc> read_error(weft::file_descriptor& from, weft::wait_limit limit = {}) {
  std::array<std::byte, 8> buffer;
  try {
    co_await from.async_read(buffer, limit);
  } catch (const std::system_error& e) {
    co_return std::errc(e.code().value());
  }
  co_return std::errc();
}

void fill(weft::file_descriptor& writer) {
  const std::string block(65536, 'f');
  CHECK(failure([&] {
          for (;;) writer.write(block, 0ms);
        }) == std::errc::timed_out);
}

}  // namespace

TEST_CASE("async_read gives what is there, or waits for it", "[coro][io]") {
  auto check = [] {
    auto ends = weft::pipe();
    ends.writer.write("there");
    CHECK(weft::spawn(read_once(ends.reader)).get() == "there");
    auto waiting = weft::spawn(read_once(ends.reader));
    weft::yield();
    ends.writer.write("later");
    CHECK(waiting.get() == "later");
    auto at_end = weft::spawn(read_once(ends.reader));
    weft::yield();
    ends.writer.close();
    CHECK(at_end.get() == "");
  };
  check();
  weft::run(check);
}

TEST_CASE("async_write writes all, async_read_full fills or comes to the end", "[coro][io]") {
  const std::size_t size = weft_test::scaled(1 << 20) + 3;
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i % 23);
  auto transfer = [&] {
    auto ends = weft::pipe();
    auto writing = weft::spawn([](weft::file_descriptor& to, std::string_view what) -> coro<> {
      co_await to.async_write(what.substr(0, 1));
      co_await to.async_write(std::as_bytes(std::span(what.substr(1))));
      co_await to.async_write("");
      to.close();
    }(ends.writer, text));
    auto reading = weft::spawn([](weft::file_descriptor& from, std::size_t n) -> coro<std::string> {
      std::string got(n + 1, '\0');
      const auto bytes = std::as_writable_bytes(std::span(got));
      const std::size_t half = n / 2;
      if (co_await from.async_read_full(bytes.first(half)) != half) co_return "short";
      got.resize(half + co_await from.async_read_full(bytes.subspan(half)));
      co_return got;
    }(ends.reader, size));
    writing.get();
    CHECK((reading.get() == text));
  };
  transfer();
  weft::run(transfer);
}

TEST_CASE("descriptors in blocking mode do not block who awaits", "[coro][io]") {
  int fds[2];
  REQUIRE(::pipe(fds) == 0);
  weft::file_descriptor reader(fds[0]);
  weft::file_descriptor writer(fds[1]);
  const std::size_t size = weft_test::scaled(1 << 20);
  weft::run({.workers = 1}, [&] {
    const std::string text(size, 'b');
    auto writing = weft::spawn([](weft::file_descriptor& to, std::string_view what) -> coro<> {
      co_await to.async_write(what);
      to.close();
    }(writer, text));
    CHECK(reader.read_all().size() == size);
    writing.get();
  });
}

TEST_CASE("a regular file in a coroutine", "[coro][io]") {
  auto file = weft::file_descriptor::open("/proc/self/exe", O_RDONLY);
  auto read = [&] { return weft::spawn(read_once(file, 4)).get(); };
  CHECK(read() == "\177ELF");
  CHECK(weft::run(read) != "\177ELF");
}

TEST_CASE("an awaiter may be moved before it is awaited", "[coro][io]") {
  weft::run([] {
    auto ends = weft::pipe();
    auto body = [&]() -> coro<> {
      std::array<std::byte, 2> bytes;
      auto read = ends.reader.async_read_full(bytes, 1h);
      auto write = ends.writer.async_write("ab");
      auto readable = async_wait_readable(ends.reader.get());
      auto moved_write = std::move(write);
      co_await moved_write;
      auto moved_readable = std::move(readable);
      const wait_status status = co_await moved_readable;  // g++ 12 puts no co_await into a CHECK
      CHECK(status == wait_status::ready);
      auto moved_read = std::move(read);
      const std::size_t n = co_await moved_read;
      CHECK(n == 2);
      CHECK(text_of(bytes) == "ab");
    };
    weft::spawn(body()).get();
  });
}

TEST_CASE("async waits for readiness, on what weft does not own, too", "[coro][io]") {
  auto check = [] {
    auto ends = weft::pipe();
    auto body = [&]() -> coro<int> {
      int good = 0;
      const int in = ends.reader.get();
      good += co_await async_wait_writable(ends.writer.get()) == wait_status::ready;
      good += co_await async_wait_readable(in, 1ms) == wait_status::timeout;
      good += co_await async_wait_readable(in, 0ms) == wait_status::timeout;
      ends.writer.write("x");
      good += co_await async_wait_readable(in, 0ms) == wait_status::ready;
      good += co_await async_wait_readable(in) == wait_status::ready;
      auto [ctx, cancel] = weft::with_cancel(weft::background());
      cancel();
      good += co_await async_wait_readable(in, ctx) == wait_status::ready;
      std::byte one[1];
      co_await ends.reader.async_read(one);
      good += co_await async_wait_readable(in, ctx) == wait_status::cancelled;
      try {
        co_await async_wait_readable(-1);
      } catch (const std::system_error& e) {
        good += e.code() == std::errc::bad_file_descriptor;
      }
      co_return good;
    };
    CHECK(weft::spawn(body()).get() == 8);
  };
  check();
  weft::run(check);
  weft::run([] {
    auto ends = weft::pipe();
    const int in = ends.reader.get();
    auto wait = [in]() -> coro<wait_status> { co_return co_await async_wait_readable(in, 1h); };
    auto first = weft::spawn(wait());
    auto second = weft::spawn(wait());
    until_parked(2);
    ends.writer.write("x");
    CHECK(first.get() == wait_status::ready);
    CHECK(second.get() == wait_status::ready);
    fill(ends.writer);
    auto full = weft::spawn(
        [](int out) -> coro<wait_status> { co_return co_await async_wait_writable(out); }(
            ends.writer.get()));
    until_parked(1);
    weft::cancel_waits(ends.writer.get());
    CHECK(full.get() == wait_status::cancelled);
  });
}

TEST_CASE("a coroutine's call at its limit, at its context's end, and closed", "[coro][io]") {
  const auto before = weft_test::fd_count();
  auto check = [] {
    auto ends = weft::pipe();
    CHECK(weft::spawn(read_error(ends.reader, 0ms)).get() == std::errc::timed_out);
    CHECK(weft::spawn(read_error(ends.reader, 1ms)).get() == std::errc::timed_out);
    auto [timed, cancel_timed] = weft::with_timeout(weft::background(), 1ms);
    CHECK(weft::spawn(read_error(ends.reader, timed)).get() == std::errc::timed_out);
    auto [ctx, cancel] = weft::with_cancel(weft::background());
    auto cancelled = weft::spawn(read_error(ends.reader, ctx));
    weft::yield();
    cancel();
    CHECK(cancelled.get() == std::errc::operation_canceled);
    auto closed = weft::spawn(read_error(ends.reader));
    weft::yield();
    ends.reader.close();
    CHECK(closed.get() == std::errc::bad_file_descriptor);
    CHECK(weft::spawn(read_error(ends.reader)).get() == std::errc::bad_file_descriptor);
  };
  check();
  weft::run(check);
  CHECK(weft_test::fd_count() <= before + 4);
  weft::run([] {
    auto ends = weft::pipe();
    auto closed = weft::spawn(read_error(ends.reader, 1h));
    until_parked(1);
    ends.reader.close();
    CHECK(closed.get() == std::errc::bad_file_descriptor);
    auto gone = weft::pipe();
    fill(gone.writer);
    auto broken = weft::spawn([](weft::file_descriptor& to) -> coro<std::errc> {
      try {
        co_await to.async_write("more than fits");
      } catch (const std::system_error& e) {
        co_return std::errc(e.code().value());
      }
      co_return std::errc();
    }(gone.writer));
    until_parked(1);
    gone.reader.close();
    CHECK(broken.get() == std::errc::broken_pipe);
    weft_test::until_nothing_is_left();
  });
}

TEST_CASE("an error names the operation and the descriptor", "[coro][io]") {
  auto ends = weft::pipe();
  const std::string number = std::to_string(ends.reader.get());
  auto text = weft::spawn([](weft::file_descriptor& from) -> coro<std::string> {
    std::array<std::byte, 1> one;
    try {
      co_await from.async_read_full(one, 1ms);
    } catch (const std::system_error& e) {
      co_return e.what();
    }
    co_return "";
  }(ends.reader)).get();
  CHECK_THAT(text, weft_test::contains("async_read_full"));
  CHECK_THAT(text, weft_test::contains("descriptor " + number));
}

TEST_CASE("what a coroutine had read and did not get stays", "[coro][io]") {
  weft::run([] {
    auto ends = weft::pipe();
    auto fill_six = [](weft::file_descriptor& from, weft::wait_limit limit) -> coro<std::errc> {
      std::array<std::byte, 6> six;
      try {
        co_await from.async_read_full(six, limit);
      } catch (const std::system_error& e) {
        co_return std::errc(e.code().value());
      }
      co_return std::errc();
    };
    ends.writer.write("abc");
    CHECK(weft::spawn(fill_six(ends.reader, 1ms)).get() == std::errc::timed_out);
    CHECK(weft::spawn(fill_six(ends.reader, 0ms)).get() == std::errc::timed_out);
    {
      // Destroyed while it waits.
      auto body = [&]() -> eager {
        std::array<std::byte, 6> six;
        co_await ends.reader.async_read_full(six);
      };
      eager waiting = body();
      until_parked(1);
      waiting.destroy();
    }
    ends.writer.write("d");
    CHECK(weft::spawn(read_once(ends.reader)).get() == "abc");
    CHECK(weft::spawn(read_once(ends.reader)).get() == "d");
  });
}

TEST_CASE("a coroutine that is destroyed while it waits leaves nothing in the poller", "[coro][io]") {
  const int rounds = static_cast<int>(weft_test::scaled(300));
  weft::run([rounds] {
    auto ends = weft::pipe();
    const int in = ends.reader.get();
    auto [ctx, cancel] = weft::with_cancel(weft::background());
    for (int i = 0; i < rounds; ++i) {
      auto reads = [&](weft::wait_limit limit) -> eager {
        std::byte one[1];
        co_await ends.reader.async_read(one, limit);
      };
      auto waits = [&](weft::wait_limit limit) -> eager { co_await async_wait_readable(in, limit); };
      const weft::wait_limit limit = i % 3 == 0   ? weft::wait_limit()
                                     : i % 3 == 1 ? weft::wait_limit(1h)
                                                  : weft::wait_limit(ctx);
      eager one = i % 2 == 0 ? reads(limit) : waits(limit);
      one.destroy();
    }
    ends.writer.write("x");
    CHECK(weft::spawn(read_once(ends.reader)).get() == "x");
    weft_test::until_nothing_is_left();
    const int number = in;
    ends.reader.close();
    CHECK(::fcntl(number, F_GETFD) == -1);
  });
}

TEST_CASE("a close waits for no coroutine, and its number goes when the last is out", "[coro][io]") {
  weft::run([] {
    auto ends = weft::pipe();
    const int number = ends.reader.get();
    auto [ctx, cancel] = weft::with_cancel(weft::background());
    std::vector<weft::join_handle<std::errc>> waiting;
    for (int i = 0; i < 4; ++i) {
      waiting.push_back(weft::spawn(read_error(
          ends.reader, i % 2 == 0 ? weft::wait_limit() : weft::wait_limit(ctx))));
    }
    until_parked(4);
    ends.reader.close();
    for (auto& w : waiting) CHECK(w.get() == std::errc::bad_file_descriptor);
    weft_test::until_nothing_is_left();
    CHECK(::fcntl(number, F_GETFD) == -1);
  });
}

TEST_CASE("readiness, limit, cancel and close race in coroutines: one of them", "[coro][io]") {
  const int rounds = static_cast<int>(weft_test::scaled(600));
  std::atomic<int> wrong = 0;
  weft::run([&] {
    for (int i = 0; i < rounds; ++i) {
      auto ends = weft::pipe();
      auto [ctx, cancel] = weft::with_cancel(weft::background());
      const weft::wait_limit limit =
          i % 2 == 0 ? weft::wait_limit(ctx) : weft::wait_limit(std::chrono::microseconds(i % 60));
      auto reading = weft::spawn(read_error(ends.reader, limit));
      auto closing = weft::spawn([&] {
        if (i % 4 == 0) ends.reader.close();
      });
      try {
        if (i % 3 == 0) ends.writer.write("x");
      } catch (const std::system_error& error) {
        if (error.code() != std::errc::broken_pipe) ++wrong;  // the reader is closed already
      }
      if (i % 5 != 0) weft::yield();
      cancel();
      const std::errc e = reading.get();
      const bool good = (e == std::errc() && i % 3 == 0) ||
                        (e == std::errc::operation_canceled && i % 2 == 0) ||
                        (e == std::errc::timed_out && i % 2 != 0) ||
                        (e == std::errc::bad_file_descriptor && i % 4 == 0);
      if (!good) ++wrong;
      closing.get();
    }
    weft_test::until_nothing_is_left();
  });
  CHECK(wrong == 0);
}

TEST_CASE("the end of the run leaves a coroutine's wait for a descriptor", "[coro][io]") {
  std::atomic<int> unwound = 0;
  auto ends = weft::pipe();
  weft::run([&] {
    for (int i = 0; i < 2; ++i) {
      weft::go([](weft::file_descriptor& from, std::atomic<int>& count, int which) -> coro<> {
        std::byte one[1];
        try {
          if (which == 0) {
            co_await from.async_read(one);
          } else {
            co_await async_wait_readable(from.get());
          }
        } catch (const weft::goroutine_exit&) {
          ++count;
          throw;
        }
      }(ends.reader, unwound, i));
    }
    until_parked(2);
  });
  CHECK(unwound == 2);
  ends.writer.write("x");
  CHECK(weft_test::read_some(ends.reader) == "x");
}
