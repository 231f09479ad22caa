// select over descriptors beside channels.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <chrono>
#include <cstddef>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using weft::on_default;
using weft::on_readable;
using weft::on_recv;
using weft::on_timeout;
using weft::on_writable;
using weft::select;
using weft_test::until_parked;

namespace {

// Fills the pipe until a write would have to wait.
void fill(weft::file_descriptor& writer) {
  const std::string block(65536, 'f');
  try {
    for (;;) writer.write(block, 0ms);
  } catch (const std::system_error&) {
  }
}

}  // namespace

TEST_CASE("on_readable", "[select][io]") {
  auto check = [] {
    auto ends = weft::pipe();
    weft::chan<int> c(1);
    const int fd = ends.reader.get();
    int handled = 0;
    CHECK(select(on_readable(fd, [&] { ++handled; }), on_default([] {})) == 1);
    CHECK(select(on_readable(fd, [&] { ++handled; }), on_timeout(1ms)) == 1);
    ends.writer.write("ab");
    CHECK(select(on_recv(c), on_readable(fd, [&] { ++handled; })) == 1);
    CHECK(handled == 1);
    // Level: it stays ready until all was read.
    std::byte one[1];
    CHECK(ends.reader.read(one) == 1);
    CHECK(select(on_recv(c), on_readable(fd, [&] { ++handled; }), on_default([] {})) == 1);
    CHECK(ends.reader.read(one) == 1);
    CHECK(select(on_recv(c), on_readable(fd, [&] { ++handled; }), on_default([] {})) == 2);
    CHECK(handled == 2);
    c.send(1);
    CHECK(select(on_readable(fd, [&] { ++handled; }), on_recv(c)) == 1);
    // Hang-up is ready, too.
    ends.writer.close();
    CHECK(select(on_recv(c), on_readable(fd, [&] { ++handled; })) == 1);
    CHECK(ends.reader.read(one) == 0);
  };
  check();
  weft::run(check);
}

TEST_CASE("on_writable", "[select][io]") {
  auto check = [] {
    auto ends = weft::pipe();
    const int fd = ends.writer.get();
    CHECK(select(on_writable(fd, [] {})) == 0);
    fill(ends.writer);
    CHECK(select(on_writable(fd, [] {}), on_default([] {})) == 1);
    CHECK(select(on_writable(fd, [] {}), on_timeout(1ms)) == 1);
    std::vector<std::byte> bytes(1 << 16);
    ends.reader.read(bytes);
    CHECK(select(on_writable(fd, [] {}), on_timeout(1h)) == 0);
  };
  check();
  weft::run(check);
}

TEST_CASE("a select that waits is woken by whichever comes", "[select][io]") {
  weft::run([] {
    auto ends = weft::pipe();
    weft::chan<int> c;
    const int fd = ends.reader.get();
    const int rounds = weft_test::scaled(200);
    for (int i = 0; i < rounds; ++i) {
      auto waiting = weft::spawn(
          [&] { return select(on_recv(c), on_readable(fd, [] {}), on_timeout(1h)); });
      if (i % 3 != 0) until_parked(1);
      if (i % 2 == 0) {
        c.send(i);
        REQUIRE(waiting.get() == 0);
      } else {
        ends.writer.write("x");
        REQUIRE(waiting.get() == 1);
        std::byte one[1];
        REQUIRE(ends.reader.read(one) == 1);
      }
    }
  });
}

TEST_CASE("cancel_waits leaves a select on other things waiting", "[select][io]") {
  // A select has no way to say "cancelled": the descriptor counts as ready, and what is done with
  // it next reports what has become of it.
  weft::run([] {
    auto ends = weft::pipe();
    const int fd = ends.reader.get();
    weft::chan<int> c;
    int handled = 0;
    auto waiting =
        weft::spawn([&] { return select(on_recv(c), on_readable(fd, [&] { ++handled; })); });
    until_parked(1);
    weft::cancel_waits(fd);
    CHECK(waiting.get() == 1);
    CHECK(handled == 1);
    // Nothing of it is left behind: the descriptor can be waited on, and cancelled, again.
    auto again = weft::spawn([&] { return select(on_recv(c), on_readable(fd, [] {})); });
    until_parked(1);
    c.send(1);
    CHECK(again.get() == 0);
    weft::cancel_waits(fd);
    auto third = weft::spawn([&] { return weft::wait_readable(fd); });
    until_parked(1);
    ends.writer.write("x");
    CHECK(third.get() == weft::wait_status::ready);
  });
}

TEST_CASE("several descriptors, several goroutines", "[select][io]") {
  weft::run([] {
    const int count = 4;
    std::vector<weft::pipe_ends> pipes;
    for (int i = 0; i < count; ++i) pipes.push_back(weft::pipe());
    weft::chan<int> found;
    weft::chan<void> next;
    weft::wait_group group;
    group.go([&] {
      while (next.recv()) {
        std::vector<weft::select_case> cases;
        for (auto& p : pipes) cases.push_back(on_readable(p.reader.get(), [] {}));
        auto i = select(cases);
        std::byte one[1];
        pipes[i].reader.read(one);
        found.send(int(i));
      }
    });
    for (int i = 0; i < 3 * count; ++i) {
      next.send();
      pipes[i % count].writer.write("x");
      CHECK(found.recv() == i % count);
    }
    next.close();
    group.wait();
  });
}

TEST_CASE("a select on a descriptor in a plain thread", "[select][io][threads]") {
  auto ends = weft::pipe();
  weft::chan<int> c;
  weft::chan<std::size_t> results(2);
  std::thread thread([&] {
    results.send(select(on_recv(c), on_readable(ends.reader.get(), [] {})));
    results.send(select(on_recv(c), on_timeout(1h)));
  });
  ends.writer.write("x");
  CHECK(results.recv() == 1u);
  c.send(1);
  CHECK(results.recv() == 0u);
  thread.join();
}
