// wait_readable, wait_writable, cancel_waits: on descriptors that weft does not own.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using weft::wait_status;
using weft_test::until_parked;

namespace {

// A connected pair of sockets in blocking mode, as a library may have them.
struct socket_pair {
  socket_pair() { REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()) == 0); }
  ~socket_pair() {
    for (int& fd : fds) shut(fd);
  }
  static void shut(int& fd) {
    if (fd >= 0) ::close(fd);
    fd = -1;
  }
  int a() const { return fds[0]; }
  int b() const { return fds[1]; }
  std::array<int, 2> fds{-1, -1};
};

bool put(int fd, char c = 'x') { return ::write(fd, &c, 1) == 1; }
bool take(int fd) {
  char c;
  return ::read(fd, &c, 1) == 1;
}

}  // namespace

TEST_CASE("ready at once, and time-outs", "[io][readiness]") {
  auto check = [] {
    socket_pair s;
    CHECK(weft::wait_writable(s.a()) == wait_status::ready);
    for (auto limit : {0ms, 1ms, 6ms}) {
      auto start = weft::clock::now();
      CHECK(weft::wait_readable(s.a(), limit) == wait_status::timeout);
      CHECK(weft::clock::now() - start >= limit);
    }
    CHECK(weft::wait_readable(s.a(), weft::clock::now() + 1ms) == wait_status::timeout);
    CHECK(weft::wait_readable(s.a(), -1s) == wait_status::timeout);
    put(s.b());
    CHECK(weft::wait_readable(s.a()) == wait_status::ready);
    // Level: still ready, since nobody has read. Also with no time at all.
    CHECK(weft::wait_readable(s.a()) == wait_status::ready);
    CHECK(weft::wait_readable(s.a(), 0ms) == wait_status::ready);
    CHECK(weft::wait_readable(s.a(), std::chrono::hours::max()) == wait_status::ready);
    take(s.a());
    CHECK(weft::wait_readable(s.a(), 0ms) == wait_status::timeout);
  };
  check();
  weft::run(check);
}

TEST_CASE("whoever waits is woken", "[io][readiness]") {
  weft::run([] {
    socket_pair s;
    const int rounds = weft_test::scaled(500);
    for (int i = 0; i < rounds; ++i) {
      auto waiting = weft::spawn([&] { return weft::wait_readable(s.a(), 1h); });
      if (i % 3 != 0) until_parked(1);
      put(s.b());
      REQUIRE(waiting.get() == wait_status::ready);
      REQUIRE(take(s.a()));
    }
  });
}

TEST_CASE("wait_writable waits for room", "[io][readiness]") {
  weft::run([] {
    socket_pair s;
    ::fcntl(s.a(), F_SETFL, O_NONBLOCK);
    const std::string block(4096, 'w');
    std::size_t written = 0;
    for (ssize_t n; (n = ::write(s.a(), block.data(), block.size())) > 0;) written += n;
    CHECK(weft::wait_writable(s.a(), 1ms) == wait_status::timeout);
    auto waiting = weft::spawn([&] { return weft::wait_writable(s.a()); });
    until_parked(1);
    std::vector<char> sink(written);
    CHECK(::read(s.b(), sink.data(), sink.size()) > 0);
    CHECK(waiting.get() == wait_status::ready);
  });
}

TEST_CASE("hang-up and error are ready", "[io][readiness]") {
  weft::run([] {
    socket_pair s;
    auto reader = weft::spawn([&] { return weft::wait_readable(s.a()); });
    until_parked(1);
    socket_pair::shut(s.fds[1]);
    CHECK(reader.get() == wait_status::ready);
    CHECK(weft::wait_readable(s.a()) == wait_status::ready);
    CHECK(weft::wait_writable(s.a()) == wait_status::ready);
    // A pipe whose reader is gone.
    auto ends = weft::pipe();
    ends.reader.close();
    CHECK(weft::wait_writable(ends.writer.get()) == wait_status::ready);
    auto other = weft::pipe();
    other.writer.close();
    CHECK(weft::wait_readable(other.reader.get()) == wait_status::ready);
  });
}

TEST_CASE("several wait on one descriptor, both directions", "[io][readiness]") {
  weft::run([] {
    socket_pair s;
    const int count = 5;
    std::vector<weft::join_handle<wait_status>> waiting;
    for (int i = 0; i < count; ++i) {
      waiting.push_back(weft::spawn([&] { return weft::wait_readable(s.a()); }));
    }
    auto late = weft::spawn([&] { return weft::wait_readable(s.a(), 2ms); });
    CHECK(late.get() == wait_status::timeout);
    until_parked(count);
    CHECK(weft::wait_writable(s.a()) == wait_status::ready);
    put(s.b());
    for (auto& w : waiting) CHECK(w.get() == wait_status::ready);
  });
}

TEST_CASE("cancel_waits", "[io][readiness]") {
  weft::run([] {
    socket_pair s;
    ::fcntl(s.a(), F_SETFL, O_NONBLOCK);
    const std::string block(4096, 'w');
    while (::write(s.a(), block.data(), block.size()) > 0) {
    }
    std::vector<weft::join_handle<wait_status>> waiting;
    for (int i = 0; i < 3; ++i) {
      waiting.push_back(weft::spawn([&] { return weft::wait_readable(s.a()); }));
      waiting.push_back(weft::spawn([&] { return weft::wait_writable(s.a(), 1h); }));
    }
    auto other = weft::spawn([&] { return weft::wait_readable(s.b(), 1h); });
    until_parked(6);
    // What s.a wrote is there: b's waiter is woken by that, not by the cancel.
    CHECK(other.get() == wait_status::ready);
    weft::cancel_waits(s.a());
    for (auto& w : waiting) CHECK(w.get() == wait_status::cancelled);
    // It concerns those who wait, not those who come later.
    CHECK(weft::wait_readable(s.a(), 1ms) == wait_status::timeout);
    weft::cancel_waits(s.a());
    weft::cancel_waits(s.b());
  });
}

TEST_CASE("a number may be closed and reused between waits", "[io][readiness]") {
  weft::run([] {
    const int rounds = weft_test::scaled(300);
    for (int i = 0; i < rounds; ++i) {
      socket_pair s;
      auto waiting = weft::spawn([&] { return weft::wait_readable(s.a(), i % 2 ? 1ms : 0ms); });
      CHECK(waiting.get() == wait_status::timeout);
      if (i % 4 == 0) put(s.b());
      // The pair is closed here; the next one gets the same numbers, and may be silent.
    }
    socket_pair s;
    CHECK(weft::wait_readable(s.a(), 1ms) == wait_status::timeout);
    put(s.b());
    CHECK(weft::wait_readable(s.a()) == wait_status::ready);
  });
}

TEST_CASE("regular files and /dev/null are always ready", "[io][readiness]") {
  weft::run([] {
    auto null = weft::file_descriptor::open("/dev/null", O_RDWR);
    auto file = weft::file_descriptor::open("/proc/self/exe", O_RDONLY);
    CHECK(weft::wait_readable(null.get()) == wait_status::ready);
    CHECK(weft::wait_writable(null.get()) == wait_status::ready);
    CHECK(weft::wait_readable(file.get()) == wait_status::ready);
  });
}

TEST_CASE("plain threads and goroutines wait on descriptors together", "[io][readiness]") {
  socket_pair s;
  std::atomic<int> ready = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] { ready += weft::wait_readable(s.a()) == wait_status::ready; });
  }
  weft::run([&] {
    auto own = weft::spawn([&] { return weft::wait_readable(s.a()); });
    until_parked(1);
    put(s.b());
    CHECK(own.get() == wait_status::ready);
  });
  for (auto& t : threads) t.join();
  CHECK(ready == 2);
}

// Without stand-ins somebody has to look after descriptors while the other worker computes, and each of
// the two is that other one in turn.
TEST_CASE("any idle worker looks after descriptors", "[io][readiness]") {
  struct side {
    socket_pair pair;
    std::atomic<int> computes{0};  // rounds begun
    std::atomic<int> released{0};  // rounds that may end
    std::atomic<pid_t> thread{0};
  };
  std::array<side, 2> sides;
  const int rounds = weft_test::scaled(100);
  std::atomic<int> together = 0;
  std::thread driver([&] {
    const auto wake = [&](side& s) {
      const int before = s.computes;
      put(s.pair.b());
      s.computes.wait(before);
    };
    const auto release = [](side& s) {
      ++s.released;
      s.released.notify_all();
    };
    wake(sides[0]);
    for (int i = 0; i < rounds; ++i) {
      side& computing = sides[i % 2];
      side& other = sides[(i + 1) % 2];
      wake(other);
      together += computing.thread == other.thread;
      release(computing);
    }
    release(sides[rounds % 2]);
    for (side& s : sides) socket_pair::shut(s.pair.fds[1]);
  });
  weft::run({.workers = 2, .max_threads = 2}, [&] {
    weft::wait_group group;
    for (side& s : sides) {
      group.go([&s] {
        for (int i = 1; weft::wait_readable(s.pair.a()) == wait_status::ready && take(s.pair.a()); ++i) {
          s.thread = gettid();
          ++s.computes;
          s.computes.notify_all();
          while (s.released < i) {
          }
        }
      });
    }
    group.wait();
  });
  driver.join();
  CHECK(together == 0);
}
