// Descriptors under many at once: pipes with data, time-outs and closes, reused numbers.
#include "conformance/collect.hpp"
#include "stress/chance.hpp"
#include "support/catch.hpp"
#include "support/fd_count.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

namespace {

// The byte that stands at this place of a stream.
std::byte expected(std::uint64_t stream, std::size_t at) {
  return std::byte((stream * 31 + at * 7 + at / 251) & 0xff);
}

void write_stream(weft::file_descriptor& to, std::uint64_t stream, std::size_t size,
                  weft_test::chance& pick) {
  std::vector<std::byte> block;
  for (std::size_t at = 0; at < size;) {
    block.resize(std::min(size - at, std::size_t(1 + pick.below(30000))));
    for (std::size_t i = 0; i < block.size(); ++i) block[i] = expected(stream, at + i);
    if (pick.one_in(2)) {
      to.write(block);
      at += block.size();
    } else {
      at += to.write_some(block);
    }
  }
}

// Reads to the end, with limits that often pass, and checks every byte. What it returns: how many.
std::size_t read_stream(weft::file_descriptor& from, std::uint64_t stream, bool& good,
                        weft_test::chance& pick) {
  std::vector<std::byte> block(20000);
  for (std::size_t at = 0;;) {
    std::size_t n = 0;
    try {
      auto part = std::span(block).first(std::size_t(1 + pick.below(20000)));
      n = pick.one_in(3) ? from.read(part, std::chrono::microseconds(pick.below(100)))
                         : from.read(part);
    } catch (const std::system_error& e) {
      if (e.code() != std::errc::timed_out) throw;
      continue;
    }
    if (n == 0) return at;
    for (std::size_t i = 0; i < n; ++i) good = good && block[i] == expected(stream, at + i);
    at += n;
  }
}

using connection = std::pair<weft::file_descriptor, weft::file_descriptor>;

connection connect_unix() {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) throw std::runtime_error("pair");
  return {weft::file_descriptor(fds[0]), weft::file_descriptor(fds[1])};
}

connection connect_tcp() {
  weft::file_descriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* at = reinterpret_cast<sockaddr*>(&address);
  weft::file_descriptor a(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::bind(listener.get(), at, size) != 0 || ::listen(listener.get(), 1) != 0 ||
      ::getsockname(listener.get(), at, &size) != 0 || ::connect(a.get(), at, size) != 0) {
    throw std::runtime_error("tcp");
  }
  return {std::move(a), weft::file_descriptor(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC))};
}

// Reads one byte, waiting for it in one way or another.
char read_byte(weft::file_descriptor& from, weft::chan<void>& never, weft_test::chance& pick) {
  std::byte some[8];  // so that a read of what is there comes back short
  for (;;) {
    try {
      switch (pick.below(7)) {
        case 0: weft::wait_readable(from.get()); break;
        case 1: weft::select(weft::on_recv(never), weft::on_readable(from.get())); break;
        case 2: weft::wait_readable(from.get(), std::chrono::microseconds(pick.below(50))); break;
        case 3: from.read(std::span(some).first(0)); break;
        default: break;
      }
      switch (pick.below(5)) {
        case 0:
          if (from.read(some, std::chrono::microseconds(pick.below(50))) == 0) return 0;
          return static_cast<char>(some[0]);
        case 1: {
          auto [ctx, cancel] = weft::with_timeout(weft::background(), std::chrono::microseconds(pick.below(50)));
          if (from.read(some, ctx) == 0) return 0;
          return static_cast<char>(some[0]);
        }
        case 2: {
          auto n = weft::spawn([](weft::file_descriptor& d, std::span<std::byte> into) -> weft::coro<std::size_t> {
            co_return co_await d.async_read(into);
          }(from, some));
          if (n.get() == 0) return 0;
          return static_cast<char>(some[0]);
        }
        default:
          if (from.read(some) == 0) return 0;
          return static_cast<char>(some[0]);
      }
    } catch (const std::system_error& e) {
      if (e.code() != std::errc::timed_out) throw;
    }
  }
}

}  // namespace

TEST_CASE("a byte back and forth, waited for in every way: none is missed", "[stress][io]") {
  const std::uint64_t seed = weft_test::first_seed();
  CAPTURE(seed);
  const int rounds = static_cast<int>(weft_test::scaled(10000));
  weft_test::notes notes;
  weft::chan<void> never;
  auto converse = [&](std::uint64_t which) {
    connection c;
    auto there = weft::pipe();
    auto back = weft::pipe();
    if (which % 3 == 0) c = connect_tcp();
    if (which % 3 == 1) c = connect_unix();
    if (which % 3 == 2) c = {std::move(back.reader), std::move(there.reader)};
    auto other = weft::spawn([&] {
      weft_test::chance pick(seed + which);
      weft::file_descriptor& to = which % 3 == 2 ? back.writer : c.second;
      while (const char byte = read_byte(c.second, never, pick)) {
        to.write(std::string(1, static_cast<char>(byte == 'z' ? 'a' : byte + 1)));
      }
      to.close();
    });
    weft_test::chance pick(seed + 100 + which);
    weft::file_descriptor& to = which % 3 == 2 ? there.writer : c.first;
    char byte = 'a';
    for (int i = 0; i < rounds; ++i) {
      to.write(std::string(1, byte));
      const char got = read_byte(c.first, never, pick);
      notes.expect(got == (byte == 'z' ? 'a' : byte + 1), "another byte");
      byte = got;
    }
    if (which % 3 == 2) {
      there.writer.close();
    } else {
      ::shutdown(to.get(), SHUT_WR);
    }
    notes.expect(read_byte(c.first, never, pick) == 0, "no end");
    other.get();
  };
  std::thread outside([&] { converse(12); });
  weft::run([&] {
    weft::wait_group group;
    for (std::uint64_t i = 0; i < 6; ++i) group.go([&, i] { converse(i); });
    group.wait();
  });
  outside.join();
  CHECK(notes.text() == "");
}

TEST_CASE("several read one descriptor at once: every byte once, and the end for all", "[stress][io]") {
  const std::uint64_t seed = weft_test::first_seed();
  CAPTURE(seed);
  const std::size_t size = weft_test::scaled(4000000);
  weft_test::notes notes;
  for (int kind = 0; kind < 3; ++kind) {
    weft::run([&] {
      connection c;
      if (kind == 0) c = connect_tcp();
      if (kind == 1) c = connect_unix();
      if (kind == 2) {
        auto ends = weft::pipe();
        c = {std::move(ends.writer), std::move(ends.reader)};
      }
      std::atomic<std::size_t> got = 0;
      weft::wait_group group;
      for (int r = 0; r < 4; ++r) {
        group.go([&, r] {
          weft_test::chance pick(seed + static_cast<std::uint64_t>(r));
          std::vector<std::byte> some(3000);
          for (;;) {
            try {
              auto part = std::span(some).first(1 + pick.below(3000));
              const std::size_t n = pick.one_in(4) ? c.second.read(part, std::chrono::microseconds(pick.below(40)))
                                                   : c.second.read(part);
              if (n == 0) return;
              got += n;
            } catch (const std::system_error& e) {
              if (e.code() != std::errc::timed_out) throw;
            }
          }
        });
      }
      weft_test::chance pick(seed);
      const std::string block(5000, 'b');
      for (std::size_t sent = 0; sent < size;) {
        const std::size_t n = std::min(size - sent, std::size_t(1 + pick.below(5000)));
        c.first.write(std::string_view(block).substr(0, n));
        sent += n;
        if (pick.one_in(3)) weft::yield();
      }
      c.first.close();
      group.wait();
      notes.expect(got == size, "bytes are missing");
    });
  }
  CHECK(notes.text() == "");
}

TEST_CASE("streams through pipes and sockets", "[stress][io]") {
  const std::uint64_t seed = weft_test::first_seed();
  CAPTURE(seed);
  const std::size_t size = weft_test::scaled(1 << 20);
  const int streams = 8;
  weft_test::notes notes;
  auto one = [&](std::uint64_t stream) {
    connection ends;  // from the first to the second
    switch (stream % 3) {
      case 0: ends = connect_tcp(); break;
      case 1: ends = connect_unix(); break;
      default: {
        auto both = weft::pipe();
        ends = {std::move(both.writer), std::move(both.reader)};
      }
    }
    auto writer = weft::spawn([&] {
      weft_test::chance pick(seed + stream);
      write_stream(ends.first, stream, size, pick);
      ends.first.close();
    });
    weft_test::chance pick(seed + 100 + stream);
    bool good = true;
    notes.expect(read_stream(ends.second, stream, good, pick) == size, "bytes are missing");
    notes.expect(good, "a wrong byte");
    writer.get();
  };
  std::thread outside([&] { one(99); });
  weft::run([&] {
    weft::wait_group group;
    for (std::uint64_t s = 0; s < streams; ++s) group.go([&, s] { one(s); });
    group.wait();
  });
  outside.join();
  CHECK(notes.text() == "");
}

TEST_CASE("descriptors come and go, their numbers are used again", "[stress][io]") {
  const std::uint64_t seed = weft_test::first_seed();
  CAPTURE(seed);
  const int rounds = weft_test::scaled(400);
  weft_test::notes notes;
  const auto before = weft_test::fd_count();
  weft::run([&] {
    weft::wait_group group;
    for (int g = 0; g < 6; ++g) {
      group.go([&, g] {
        weft_test::chance pick(seed + std::uint64_t(g));
        for (int i = 0; i < rounds; ++i) {
          auto ends = weft::pipe();
          const bool sends = pick.one_in(2);
          const bool closes = pick.one_in(2);
          auto reader = weft::spawn([&] {
            std::byte one[1];
            try {
              return ends.reader.read(one) == 1 ? 'v' : 'e';
            } catch (const std::system_error& e) {
              return e.code() == std::errc::bad_file_descriptor ? 'c' : '?';
            }
          });
          auto watcher = weft::spawn([fd = ends.writer.get()] {
            return weft::wait_writable(fd, 1h) == weft::wait_status::ready;
          });
          notes.expect(watcher.get(), "an empty pipe has no room");
          if (pick.one_in(2)) weft::yield();
          if (sends) ends.writer.write("x");
          if (!sends && closes) ends.reader.close();
          if (!sends && !closes) ends.writer.close();
          const char want = sends ? 'v' : closes ? 'c' : 'e';
          notes.expect(reader.get() == want, std::string("wanted ") + want);
        }
      });
    }
    group.wait();
  });
  CHECK(notes.text() == "");
  CHECK(weft_test::fd_count() <= before + 4);
}

TEST_CASE("selects over descriptors and channels", "[stress][io]") {
  const int count = weft_test::scaled(2000);
  std::atomic<int> from_pipe = 0;
  std::atomic<int> from_channel = 0;
  weft::run([&] {
    auto ends = weft::pipe();
    weft::chan<int> c;
    weft::chan<void> over;
    auto reader = weft::spawn([&] {
      for (;;) {
        auto which = weft::select(weft::on_recv(c, [&](auto) { ++from_channel; }),
                                  weft::on_readable(ends.reader.get(), [] {}),
                                  weft::on_timeout(30us), weft::on_recv(over));
        if (which == 3) return;
        if (which != 1) continue;
        std::byte some[3];
        from_pipe += int(ends.reader.read(some));
      }
    });
    auto writer = weft::spawn([&] {
      for (int i = 0; i < count; ++i) {
        ends.writer.write("x");
        if (i % 7 == 0) weft::yield();
      }
    });
    for (int i = 0; i < count; ++i) c.send(i);
    writer.get();
    while (from_pipe < count) weft::yield();
    over.send();
    reader.get();
  });
  CHECK(from_pipe == count);
  CHECK(from_channel == count);
}
