// Descriptors under many at once: pipes with data, time-outs and closes, reused numbers.
#include "conformance/collect.hpp"
#include "stress/chance.hpp"
#include "support/catch.hpp"
#include "support/fd_count.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <system_error>
#include <thread>
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

}  // namespace

TEST_CASE("streams through pipes", "[stress][io]") {
  const std::uint64_t seed = weft_test::first_seed();
  CAPTURE(seed);
  const std::size_t size = weft_test::scaled(1 << 20);
  const int streams = 8;
  weft_test::notes notes;
  auto one = [&](std::uint64_t stream) {
    auto ends = weft::pipe();
    auto writer = weft::spawn([&] {
      weft_test::chance pick(seed + stream);
      write_stream(ends.writer, stream, size, pick);
      ends.writer.close();
    });
    weft_test::chance pick(seed + 100 + stream);
    bool good = true;
    notes.expect(read_stream(ends.reader, stream, good, pick) == size, "bytes are missing");
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
