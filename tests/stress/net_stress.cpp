// An echo server whose clients behave badly: they reset connections, go in the middle, do not read,
// give up by time-outs and contexts, and leave no descriptor over.
#include "conformance/collect.hpp"
#include "stress/chance.hpp"
#include "support/catch.hpp"
#include "support/fd_count.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::tcp_listener;
using weft::tcp_stream;

namespace {

void reset_at_close(tcp_stream& s) {
  const linger at_once{1, 0};
  ::setsockopt(s.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

// What may come of any call here.
bool is_expected(const std::error_code& e) {
  for (std::errc c : {std::errc::timed_out, std::errc::operation_canceled, std::errc::broken_pipe,
                      std::errc::connection_reset, std::errc::too_many_files_open,
                      std::errc::bad_file_descriptor, std::errc::connection_refused,
                      std::errc::not_connected}) {
    if (e == c) return true;
  }
  return false;
}

std::byte expected(std::uint64_t stream, std::size_t at) {
  return std::byte((stream * 29 + at * 5 + at / 251) & 0xff);
}

template <class F>
void expecting(weft_test::notes& notes, const char* what, F f) {
  try {
    f();
  } catch (const std::system_error& e) {
    if (!is_expected(e.code())) notes.add(std::string(what) + ": " + e.what());
  }
}

// Sends what comes back. Some of its own reads and writes have limits that pass.
void echo(tcp_stream& s, std::uint64_t seed) {
  weft_test::chance pick(seed);
  std::vector<std::byte> buffer(1 + static_cast<std::size_t>(pick.below(8000)));
  for (;;) {
    std::size_t n = 0;
    try {
      n = pick.one_in(4) ? s.read(buffer, std::chrono::microseconds(pick.below(300))) : s.read(buffer);
    } catch (const std::system_error& e) {
      if (e.code() == std::errc::timed_out) continue;
      throw;
    }
    if (n == 0) break;
    s.write(std::span(buffer).first(n), 500ms);  // a client that does not read is given up
  }
  s.close_write();
}

weft::coro<> echo_as_coroutine(tcp_stream s, weft_test::notes& notes, std::atomic<int>& ended) {
  std::vector<std::byte> buffer(3000);
  try {
    while (std::size_t n = co_await s.async_read(buffer, 20s)) {
      co_await s.async_write(std::span(buffer).first(n), 500ms);
    }
  } catch (const std::system_error& e) {
    if (!is_expected(e.code())) notes.add(std::string("echo coroutine: ") + e.what());
  }
  ++ended;
}

// One client, and how it behaves.
void be_client(const weft::socket_address& to, std::uint64_t seed, weft_test::notes& notes) {
  weft_test::chance pick(seed);
  expecting(notes, "client", [&] {
    tcp_stream s = tcp_stream::connect(to, 300ms);
    const std::size_t size = static_cast<std::size_t>(pick.below(pick.one_in(8) ? 300000 : 3000));
    std::vector<std::byte> all(size);
    for (std::size_t i = 0; i < size; ++i) all[i] = expected(seed, i);
    if (pick.one_in(5)) reset_at_close(s);
    if (pick.one_in(10)) return;  // without a word
    auto writing = weft::spawn([&] {
      expecting(notes, "client's writer", [&] {
        s.write(all, 500ms);
        s.close_write();
      });
    });
    weft_test::at_end wait([&] { writing.wait(); });
    // Reads so much, and then goes.
    const std::size_t most =
        pick.one_in(3) ? static_cast<std::size_t>(pick.below(static_cast<int>(size) + 1)) : size + 1;
    weft_test::at_end close([&] { s.close(); });  // before it waits for the writer
    std::array<std::byte, 2048> buffer;
    for (std::size_t at = 0; at < most;) {
      const std::size_t n = s.read(buffer, 500ms);
      if (n == 0) break;
      for (std::size_t i = 0; i < n; ++i, ++at) {
        if (buffer[i] != expected(seed, at)) return notes.add("a wrong byte came back");
      }
      if (pick.one_in(20)) weft::sleep_for(100us);
    }
  });
}

}  // namespace

TEST_CASE("an echo server and clients that behave badly", "[net][stress]") {
  weft_test::chance seeds(weft_test::first_seed());
  const int rounds = weft_test::under_tsan ? 2 : 4;
  const int clients = static_cast<int>(std::max<std::size_t>(weft_test::scaled(400), 60));
  weft::spawn([] {}).wait();  // the default runtime has what it keeps
  const std::size_t before = weft_test::fd_count();
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  weft_test::at_end restore([&] { ::setrlimit(RLIMIT_NOFILE, &limit); });
  weft_test::notes notes;
  for (int round = 0; round < rounds; ++round) {
    // Every other time there are too few descriptors for all of them.
    rlimit now = limit;
    if (round % 2 == 1) now.rlim_cur = static_cast<rlim_t>(before) + 60;
    ::setrlimit(RLIMIT_NOFILE, &now);
    std::atomic<int> accepted{0};
    std::atomic<int> ended{0};
    weft::run([&] {
      tcp_listener listener("127.0.0.1", 0);
      const weft::socket_address to = listener.local_address();
      weft::wait_group connections;
      weft::wait_group accepting;
      for (int k = 0; k < 2; ++k) {
        accepting.go([&] {
          expecting(notes, "accept", [&] {
            for (std::uint64_t i = 0;; ++i) {
              tcp_stream s = listener.accept();
              ++accepted;
              if (i % 3 == 2) {
                connections.go(echo_as_coroutine(std::move(s), notes, ended));
                continue;
              }
              connections.go([&notes, &ended, i, s = std::move(s)]() mutable {
                expecting(notes, "echo", [&] { echo(s, i); });
                ++ended;
              });
            }
          });
        });
      }
      {
        weft::wait_group all;
        for (int i = 0; i < clients; ++i) {
          all.go([&, seed = seeds.next()] { be_client(to, seed, notes); });
        }
        std::vector<std::jthread> threads;
        for (int t = 0; t < 2; ++t) {
          threads.emplace_back([&notes, to, seed = seeds.next()] {
            for (std::uint64_t i = 0; i < 5; ++i) be_client(to, seed + i, notes);
          });
        }
        all.wait();
        weft::blocking([&] { threads.clear(); });
      }
      listener.close();
      accepting.wait();
      connections.wait();
    });
    CHECK(accepted == ended);
  }
  CHECK(notes.text() == "");
  const auto until = weft::clock::now() + 5s;
  while (weft_test::fd_count() != before && weft::clock::now() < until) std::this_thread::yield();
  CHECK(weft_test::fd_count() == before);
}
