// accept, when descriptors are short and when many come at once.
#include "sockets.hpp"
#include "support/child.hpp"
#include "support/scale.hpp"

#include <sys/resource.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <iostream>

using namespace std::chrono_literals;
using weft::socket_address;
using weft::tcp_listener;
using weft::tcp_stream;
using weft_test::descriptors_kept;
using weft_test::error_of;
using weft_test::everywhere;
using weft_test::no_descriptors;
using weft_test::read_some;
using weft_test::until_parked;

namespace {

// A socket that connects without taking a descriptor.
struct early_socket {
  early_socket() : stream(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
  void connect(const socket_address& to) { CHECK(::connect(stream.get(), to.data(), to.size()) == 0); }
  tcp_stream stream;
};

}  // namespace

TEST_CASE("accept waits for a descriptor and loses no connection", "[net][accept]") {
  descriptors_kept kept;
  weft::run([] {
    tcp_listener listener("127.0.0.1", 0);
    early_socket first;
    early_socket second;
    // What these need is there before the others are taken.
    auto accepting = weft::spawn([&] { return listener.accept(); });
    auto accepting_too = weft::spawn([&] { return listener.accept(); });
    until_parked(2);
    no_descriptors none;
    first.connect(listener.local_address());
    second.connect(listener.local_address());
    first.stream.write("1st");
    second.stream.write("2nd");
    // Both have seen that there is none, if the sleeps of their pauses are seen.
    while (weft::stats().timers < 2) weft::yield();
    CHECK_FALSE(accepting.done());
    none.spare();
    none.spare();
    auto a = accepting.get();
    auto b = accepting_too.get();
    const std::string texts = read_some(a) + read_some(b);
    CHECK((texts == "1st2nd" || texts == "2nd1st"));
  });
}

TEST_CASE("accept without a descriptor: its limit, its context, a close", "[net][accept]") {
  descriptors_kept kept;
  everywhere([] {
    tcp_listener listener("127.0.0.1", 0);
    early_socket waiting;
    waiting.connect(listener.local_address());
    auto [ctx, cancel] = weft::with_cancel(weft::background());
    {
      no_descriptors none;
      CHECK(error_of([&] { listener.accept(0ms); }) == std::errc::timed_out);
      CHECK(error_of([&] { listener.accept(3ms); }) == std::errc::timed_out);
      weft::go([c = std::move(cancel)] { c(); });
      CHECK(error_of([&] { listener.accept(ctx); }) == std::errc::operation_canceled);
      weft::go([&] { listener.close(); });
      CHECK(error_of([&] { listener.accept(); }) == std::errc::bad_file_descriptor);
    }
  });
}

TEST_CASE("a connection that was reset in the queue", "[net][accept]") {
  descriptors_kept kept;
  everywhere([] {
    tcp_listener listener("127.0.0.1", 0);
    {
      tcp_stream gone = tcp_stream::connect(listener.local_address());
      const linger at_once{1, 0};
      ::setsockopt(gone.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    tcp_stream stays = tcp_stream::connect(listener.local_address());
    stays.write("here");
    // The one that is gone comes out, too, on Linux: with an error at its first read.
    std::string text;
    while (text.empty()) {
      tcp_stream s = listener.accept();
      (void)error_of([&] { text = read_some(s); });
    }
    CHECK(text == "here");
  });
}

namespace {

// Raises the soft limit of descriptors. Gives how many connections of one end it allows.
std::size_t room_for(std::size_t count) {
  constexpr std::size_t others = 200;
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_max < count + others) {
    std::cerr << "only " << limit.rlim_max - others << " connections of " << count
              << ": the hard limit of descriptors (ulimit -Hn) is " << limit.rlim_max << '\n';
    count = limit.rlim_max - others;
  }
  if (limit.rlim_cur < count + others) {
    limit.rlim_cur = count + others;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  return count;
}

std::size_t number(const char* variable) { return std::stoul(std::getenv(variable)); }

}  // namespace

// The clients of the test below, in a process of their own. They speak once all are connected.
WEFT_CHILD_CASE("many-clients") {
  const std::size_t count = room_for(number("WEFT_TEST_COUNT"));
  const socket_address to("127.0.0.1", static_cast<std::uint16_t>(number("WEFT_TEST_PORT")));
  std::atomic<std::size_t> wrong{0};
  weft::run([&] {
    weft::wait_group clients;
    weft::latch connected(static_cast<std::ptrdiff_t>(count));
    weft::semaphore at_once(256);
    for (std::size_t i = 0; i < count; ++i) {
      clients.go([&, i] {
        at_once.acquire();
        tcp_stream s = tcp_stream::connect(to);
        at_once.release();
        connected.arrive_and_wait();
        s.write(std::as_bytes(std::span(&i, 1)));
        std::size_t back = 0;
        s.read_full(std::as_writable_bytes(std::span(&back, 1)));
        if (back != i) ++wrong;
      });
    }
    clients.wait();
  });
  if (wrong != 0) std::exit(3);
}

TEST_CASE("10,000 connections at once", "[net][accept]") {
  // Fewer under a sanitizer.
  std::size_t count = weft_test::under_tsan ? 400 : weft_test::scaled(10000);
  descriptors_kept kept;
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  weft_test::at_end restore([&] { ::setrlimit(RLIMIT_NOFILE, &before); });
  count = room_for(count);
  weft::run([&] {
    tcp_listener listener("127.0.0.1", 0);
    weft::wait_group servers;
    servers.go([&] {
      for (std::size_t i = 0; i < count; ++i) {
        servers.go([s = listener.accept()]() mutable {
          std::array<std::byte, 16> word;
          while (std::size_t n = s.read(word)) s.write(std::span(word).first(n));
        });
      }
    });
    const auto child = weft::blocking([&] {
      return weft_test::run_child(
          "many-clients", {{"WEFT_TEST_PORT=" + std::to_string(listener.local_address().port()),
                            "WEFT_TEST_COUNT=" + std::to_string(count)}});
    });
    CHECK(child.err == "");
    CHECK(child.exit_code == 0);
    servers.wait();
  });
}
