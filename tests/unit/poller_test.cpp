// What the poller promises beyond what its users see: one registration, no call too many, and what
// happens between an attempt and the wait that follows.
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <weft/weft.hpp>

#include "conformance/bytes.hpp"
#include "conformance/collect.hpp"
#include "io/descriptor_use.hpp"
#include "io/epoll_poller.hpp"
#include "io/system_calls.hpp"
#include "io/wait.hpp"
#include "sched/current.hpp"
#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/scale.hpp"
#include "unit/refuse.hpp"

using namespace std::chrono_literals;
using weft::detail::descriptor_use;
using weft::detail::epoll_poller;
using weft_test::failure;
using weft_test::read_some;
using weft_test::until_parked;

namespace {

// To find nothing there before that is over, so that a wait begins.
constexpr auto long_enough = 50ms;

// A registration as the kernel has it.
struct registration {
  int fd = -1;
  std::uint32_t events = 0;
};

// Those of all epoll instances of this process, for the number.
std::vector<registration> registrations_of(int fd) {
  std::vector<registration> all;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fdinfo")) {
    std::ifstream info(entry.path());
    for (std::string line; std::getline(info, line);) {
      registration r;
      if (std::sscanf(line.c_str(), "tfd: %d events: %x", &r.fd, &r.events) == 2 && r.fd == fd) {
        all.push_back(r);
      }
    }
  }
  return all;
}

epoll_poller& this_poller() { return weft::detail::poller_of(weft::detail::current_core()); }

// Connected over loopback.
struct tcp_pair {
  tcp_pair() {
    weft::file_descriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* at = reinterpret_cast<sockaddr*>(&address);
    if (::bind(listener.get(), at, size) != 0 || ::listen(listener.get(), 1) != 0 ||
        ::getsockname(listener.get(), at, &size) != 0) {
      throw std::runtime_error("listen");
    }
    a = weft::file_descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(a.get(), at, size) != 0) throw std::runtime_error("connect");
    b = weft::file_descriptor(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  }
  weft::file_descriptor a;
  weft::file_descriptor b;
};

// Both directions, back and forth, each side having to wait. Gives the number of exchanges.
int talk(weft::file_descriptor& a, weft::file_descriptor& b, int rounds) {
  auto other = weft::spawn([&] {
    std::byte one[4];
    int n = 0;
    while (b.read(one) != 0) {
      b.write(std::span<const std::byte>(one, 1), 1h);
      ++n;
    }
    return n;
  });
  std::byte one[4]{};
  for (int i = 0; i < rounds; ++i) {
    a.write(std::span<const std::byte>(one, 1));
    if (a.read(one, 1h) != 1) return -1;
  }
  ::shutdown(a.get(), SHUT_WR);
  return other.get();
}

void unix_pair(weft::file_descriptor& a, weft::file_descriptor& b) {
  int fds[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
  a = weft::file_descriptor(fds[0]);
  b = weft::file_descriptor(fds[1]);
}

}  // namespace

TEST_CASE("what is owned is registered once, for both directions, edge-triggered", "[poller]") {
  weft::run([] {
    tcp_pair s;
    const int fd = s.a.get();
    CHECK(registrations_of(fd).empty());
    CHECK(failure([&] { read_some(s.a, 0ms); }) == std::errc::timed_out);
    CHECK(registrations_of(fd).empty());  // it has not had to wait
    CHECK(failure([&] { read_some(s.a, long_enough); }) == std::errc::timed_out);
    auto once = registrations_of(fd);
    REQUIRE(once.size() == 1);
    CHECK((once[0].events & EPOLLET) != 0);
    CHECK((once[0].events & EPOLLIN) != 0);
    CHECK((once[0].events & EPOLLOUT) != 0);
    CHECK((once[0].events & EPOLLRDHUP) != 0);
    CHECK((once[0].events & EPOLLONESHOT) == 0);
    talk(s.a, s.b, 10);
    CHECK(registrations_of(fd).size() == 1);
    s.a.close();
    CHECK(registrations_of(fd).empty());
  });
}

// Every wait after the first goes without epoll_ctl and poll: the kernel says no to both.
static int waits_without_calls() {
  int good = 0;
  weft::run([&] {
    tcp_pair tcp;
    auto there = weft::pipe();
    auto back = weft::pipe();
    auto pipes = [&](int rounds) {
      auto other = weft::spawn([&] {
        std::byte one[4];
        for (int i = 0; i < rounds; ++i) {
          if (there.reader.read(one) != 1) return;
          back.writer.write("x");
        }
      });
      std::byte one[4];
      for (int i = 0; i < rounds; ++i) {
        there.writer.write("x");
        if (back.reader.read(one, 1h) != 1) return 0;
      }
      other.get();
      return rounds;
    };
    auto tcps = [&](int rounds) {
      auto other = weft::spawn([&] {
        std::byte one[4];
        for (int i = 0; i < rounds && tcp.b.read(one) == 1; ++i) tcp.b.write("x");
      });
      std::byte one[4];
      for (int i = 0; i < rounds; ++i) {
        tcp.a.write("x");
        if (tcp.a.read(one, 1h) != 1) return 0;
      }
      other.get();
      return rounds;
    };
    // Registered by a wait each, whoever would have come first.
    for (weft::file_descriptor* d : {&tcp.a, &tcp.b, &there.reader, &back.reader}) {
      if (failure([&] { read_some(*d, long_enough); }) != std::errc::timed_out) return;
    }
    weft_test::refuse(SYS_epoll_ctl, EPERM);
    weft_test::refuse(SYS_poll, EPERM);
    good += pipes(100);
    good += tcps(100);
    ::_exit(good == 200 ? 0 : 1);  // closing would need epoll_ctl
  });
  return 1;
}
WEFT_CHILD_CASE("waits-without-calls") { std::_Exit(waits_without_calls()); }

TEST_CASE("a wait on what is registered makes neither epoll_ctl nor poll", "[poller]") {
  const auto child = weft_test::run_child("waits-without-calls");
  CHECK(child.exit_code == 0);
  CHECK(child.err == "");
}

TEST_CASE("an event between the attempt and the wait is not missed", "[poller]") {
  // One worker and no wait in between: nobody else polls.
  weft::run({.workers = 1}, [] {
    auto ends = weft::pipe();
    CHECK(failure([&] { read_some(ends.reader, long_enough); }) ==
          std::errc::timed_out);  // registers
    std::byte one[1];
    {
      descriptor_use use(ends.reader, "test");
      use.look(false);
      REQUIRE(use.read_now(one) == -EAGAIN);
      use.note_exhausted(false);
      const auto owned = use.after_attempt();
      CHECK(owned.edge_triggered);
      REQUIRE(owned.seen);
      ends.writer.write("x");
      this_poller().poll(INT64_MIN);  // the event is dispatched to nobody
      weft::detail::descriptor_wait wait(use.fd, false);
      weft::detail::waiter nobody;
      const auto status = wait.begin(weft::detail::current_core(), &nobody, {}, &owned);
      CHECK(status == weft::wait_status::ready);
      CHECK(use.look(false));
      CHECK(use.read_now(one) == 1);
    }
    // The same, not dispatched yet: the wait links, and the event finds it.
    {
      descriptor_use use(ends.reader, "test");
      use.look(false);
      REQUIRE(use.read_now(one) == -EAGAIN);
      use.note_exhausted(false);
      ends.writer.write("y");
      CHECK_FALSE(use.look(false));
    }
    CHECK(read_some(ends.reader, 64) == "y");
  });
}

TEST_CASE("a level wait on what is registered sees what came before it", "[poller]") {
  weft::run({.workers = 1}, [] {
    auto ends = weft::pipe();
    CHECK(failure([&] { read_some(ends.reader, long_enough); }) ==
          std::errc::timed_out);  // registers
    ends.writer.write("x");
    this_poller().poll(INT64_MIN);  // the edge is over
    weft::detail::waiter who;
    who.kind = weft::detail::waiter_kind::thread;
    who.word.open();
    weft::detail::descriptor_wait wait(ends.reader.get(), false);
    REQUIRE_FALSE(wait.begin(weft::detail::current_core(), &who, {}, nullptr));
    weft::detail::descriptor_wait::unlock(&wait);
    this_poller().poll(INT64_MIN);
    CHECK(who.word.value() == weft::detail::claim_case);
    CHECK(wait.end(who.word.close()) == weft::wait_status::ready);
  });
}

TEST_CASE("what has come although nothing was left is found without a wait", "[poller]") {
  weft::run({.workers = 1}, [] {
    auto ends = weft::pipe();
    auto [ctx, cancel] = weft::with_cancel(weft::background());
    cancel();
    std::byte one[1];
    for (const weft::wait_limit& limit :
         {weft::wait_limit(0ms), weft::wait_limit(weft::clock::now()), weft::wait_limit(ctx)}) {
      // It is known to be empty, and nobody has polled what comes then.
      CHECK(failure([&] { read_some(ends.reader, 1ms); }) == std::errc::timed_out);
      ends.writer.write("x");
      CHECK(ends.reader.read(one, limit) == 1);
      CHECK(failure([&] { ends.reader.read(one, limit); }) != std::errc());
    }
    CHECK(ends.reader.read({}) == 0);
    CHECK(ends.reader.read_full({}) == 0);
  });
}

TEST_CASE("a short read of a stream leaves nothing, but a hang-up behind it is seen", "[poller]") {
  const int rounds = static_cast<int>(weft_test::scaled(200));
  weft::run([&] {
    for (int i = 0; i < rounds; ++i) {
      tcp_pair s;
      auto reading = weft::spawn([&] { return s.a.read_all(); });
      if (i % 2 == 0) until_parked(1);
      s.b.write("some");
      if (i % 3 == 0) weft::yield();
      s.b.close();
      REQUIRE(reading.get() == "some");
    }
  });
}

TEST_CASE("a read that stops at urgent data is not the last", "[poller]") {
  weft::run([] {
    tcp_pair s;
    std::array<std::byte, 16> bytes;
    CHECK(failure([&] { s.a.read(bytes, 1ms); }) == std::errc::timed_out);
    REQUIRE(::send(s.b.get(), "ab!", 3, MSG_OOB | MSG_NOSIGNAL) == 3);
    s.b.write("cd");
    std::string got;
    while (got.size() < 4) {
      const std::size_t n = s.a.read(bytes);
      got += weft_test::text_of(std::span(bytes).first(n));
    }
    CHECK(got == "abcd");
  });
}

TEST_CASE("level waits beside owned ones on one descriptor", "[poller]") {
  const int rounds = static_cast<int>(weft_test::scaled(200));
  weft::run([&] {
    weft::file_descriptor a;
    weft::file_descriptor b;
    unix_pair(a, b);
    const int fd = a.get();
    weft::chan<void> never;
    for (int i = 0; i < rounds; ++i) {
      auto level = [&] { return weft::wait_readable(fd, 1h) == weft::wait_status::ready; };
      auto selecting = [&] {
        return weft::select(weft::on_recv(never), weft::on_readable(fd, [] {})) == 1;
      };
      auto first = i % 2 == 0 ? weft::spawn(level) : weft::spawn(selecting);
      if (i % 3 == 0) until_parked(1);
      auto owned = weft::spawn([&] { return read_some(a) == "x"; });
      if (i % 5 != 0) until_parked(2);
      auto late = i % 2 != 0 ? weft::spawn(level) : weft::spawn(selecting);
      if (i % 7 != 0) until_parked(3);
      b.write("x");
      REQUIRE(owned.get());
      // Who came too late for that byte waits for the next.
      b.write("y");
      REQUIRE(first.get());
      REQUIRE(late.get());
      REQUIRE(read_some(a) == "y");
    }
    // Level: as long as something is there, and by no event of before.
    b.write("z");
    CHECK(weft::wait_readable(fd) == weft::wait_status::ready);
    CHECK(weft::wait_readable(fd) == weft::wait_status::ready);
    CHECK(read_some(a) == "z");
    CHECK(weft::wait_readable(fd, 2ms) == weft::wait_status::timeout);
    CHECK(registrations_of(fd).size() == 1);
  });
}

TEST_CASE("a copy of a closed descriptor wakes nobody who has its number now", "[poller]") {
  weft::run([] {
    const int rounds = static_cast<int>(weft_test::scaled(100));
    for (int i = 0; i < rounds; ++i) {
      auto ends = weft::pipe();
      const int number = ends.reader.get();
      CHECK(failure([&] { read_some(ends.reader, 1us); }) == std::errc::timed_out);
      auto copy = weft::file_descriptor::duplicate(number);
      ends.reader.close();
      CHECK(registrations_of(number).empty());
      auto others = weft::pipe();
      REQUIRE(others.reader.get() == number);
      auto reading = weft::spawn([&] { return read_some(others.reader); });
      until_parked(1);
      ends.writer.write("for the copy");
      CHECK(read_some(copy) == "for the copy");
      others.writer.write("new");
      REQUIRE(reading.get() == "new");
    }
  });
}

TEST_CASE("what is released is not registered any more", "[poller]") {
  weft::run([] {
    auto ends = weft::pipe();
    auto reading = weft::spawn([&] { return failure([&] { read_some(ends.reader); }); });
    until_parked(1);
    const int number = ends.reader.release();
    CHECK(reading.get() == std::errc::bad_file_descriptor);
    CHECK(registrations_of(number).empty());
    weft::file_descriptor again(number);
    auto anew = weft::spawn([&] { return read_some(again); });
    until_parked(1);
    ends.writer.write("x");
    CHECK(anew.get() == "x");
    CHECK(registrations_of(number).size() == 1);
  });
}

TEST_CASE("one descriptor in several runtimes, one after another and at once", "[poller]") {
  auto ends = weft::pipe();
  const int number = ends.reader.get();
  for (int i = 0; i < 3; ++i) {
    weft::run([&] {
      auto reading = weft::spawn([&] { return read_some(ends.reader); });
      until_parked(1);
      ends.writer.write("x");
      CHECK(reading.get() == "x");
    });
    CHECK(registrations_of(number).empty());
  }
  // Three readers, in two runtimes and a plain thread; each byte wakes them all and is got by one.
  const int count = static_cast<int>(weft_test::scaled(900));
  std::atomic<int> got = 0;
  auto read_to_end = [&] {
    std::byte one[1];
    while (ends.reader.read(one) != 0) ++got;
  };
  std::thread plain(read_to_end);
  {
    weft::runtime other;
    weft::chan<void> over;
    other.go([&] {
      read_to_end();
      over.close();
    });
    weft::run([&] {
      auto own = weft::spawn(read_to_end);
      for (int i = 0; i < count; ++i) {
        ends.writer.write("x");
        if (i % 5 == 0) weft::yield();
      }
      ends.writer.close();
      own.get();
      over.recv();
    });
  }
  plain.join();
  CHECK(got == count);
  ends.reader.close();
  CHECK(registrations_of(number).empty());
}

TEST_CASE("a child that closes what it was forked with leaves its parent's alone", "[poller]") {
  weft::run([] {
    auto ends = weft::pipe();
    auto reading = weft::spawn([&] { return read_some(ends.reader); });
    until_parked(1);
    // Of the threads that hold locks none is there in a child.
    weft::detail::descriptor_entry& entry = this_poller().entry_of(ends.reader.get());
    entry.lock.lock();
    const pid_t child = ::fork();
    if (child == 0) {
      ::alarm(60);  // instead of hanging
      ends.reader.close();
      ::raise(SIGKILL);  // no exit, at which memcheck misses what the parent's threads hold
    }
    entry.lock.unlock();
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
    CHECK(registrations_of(ends.reader.get()).size() == 1);
    ends.writer.write("x");
    CHECK(reading.get() == "x");
  });
}

TEST_CASE("who never waits polls all the same", "[poller]") {
  // Counted in yields, not in time: some ten thousand are a millisecond.
  const std::size_t most = 5'000'000;
  weft::run({.workers = 1}, [&] {
    auto ends = weft::pipe();
    std::atomic<bool> done = false;
    weft::go([&] {
      read_some(ends.reader);
      done = true;
    });
    until_parked(1);
    ends.writer.write("x");
    std::size_t yields = 0;
    while (!done && yields < most) {
      weft::yield();
      ++yields;
    }
    CHECK(done);
  });
}

TEST_CASE("kinds of descriptors", "[poller]") {
  using weft::detail::descriptor_kind;
  using weft::detail::is_edge_triggered;
  using weft::detail::kind_of;
  auto of_new_socket = [](int domain, int type) {
    weft::file_descriptor d(::socket(domain, type | SOCK_CLOEXEC, 0));
    return kind_of(d.get());
  };
  CHECK(of_new_socket(AF_INET, SOCK_STREAM) == descriptor_kind::tcp);
  CHECK(of_new_socket(AF_INET, SOCK_DGRAM) == descriptor_kind::socket);
  CHECK(of_new_socket(AF_UNIX, SOCK_STREAM) == descriptor_kind::socket);
  CHECK(of_new_socket(AF_UNIX, SOCK_DGRAM) == descriptor_kind::other_socket);
  CHECK(of_new_socket(AF_UNIX, SOCK_SEQPACKET) == descriptor_kind::other_socket);
  auto ends = weft::pipe();
  CHECK(kind_of(ends.reader.get()) == descriptor_kind::pipe);
  CHECK(::fcntl(ends.reader.get(), F_SETFL, 0) == 0);
  CHECK(kind_of(ends.reader.get()) == descriptor_kind::pipe);
  auto exe = weft::file_descriptor::open("/proc/self/exe", O_RDONLY);
  CHECK(kind_of(exe.get()) == descriptor_kind::regular);
  auto null = weft::file_descriptor::open("/dev/null", O_RDWR);
  CHECK(kind_of(null.get()) == descriptor_kind::other);
  CHECK_FALSE(is_edge_triggered(descriptor_kind::other_socket));
  CHECK_FALSE(is_edge_triggered(descriptor_kind::other));
}

TEST_CASE("somebody makes a descriptor blocking after its first use", "[poller]") {
  // The only worker would never get to the write.
  weft::run({.workers = 1, .max_threads = 1}, [] {
    auto ends = weft::pipe();
    CHECK(failure([&] { read_some(ends.reader, 1ms); }) == std::errc::timed_out);
    REQUIRE(::fcntl(ends.reader.get(), F_SETFL, 0) == 0);
    auto reading = weft::spawn([&] { return read_some(ends.reader); });
    until_parked(1);
    ends.writer.write("x");
    CHECK(reading.get() == "x");
  });
}
