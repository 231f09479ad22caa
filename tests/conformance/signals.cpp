// notify_signals and stop_signals.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/fd_count.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <chrono>
#include <csignal>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

using namespace std::chrono_literals;
using weft_test::until_parked;

namespace {

std::atomic<int> earlier_calls{0};
void earlier_handler(int) { ++earlier_calls; }

// A handler of the test's own, for a scope.
class handled {
 public:
  handled(int number, void (*handler)(int)) : number_(number) {
    struct sigaction own {};
    own.sa_handler = handler;
    sigaction(number, &own, &before_);
  }
  handled(const handled&) = delete;
  handled& operator=(const handled&) = delete;
  ~handled() { sigaction(number_, &before_, nullptr); }

 private:
  int number_;
  struct sigaction before_ {};
};

void (*handler_of(int number))(int) {
  struct sigaction now {};
  sigaction(number, nullptr, &now);
  return now.sa_handler;
}

// Returns once so many are in the channel.
void until_held(const weft::recv_chan<int>& c, std::size_t n) {
  while (c.size() < n) weft::yield();
}

template <class F>
void in_both(F f) {
  f();
  weft::run(f);
}

}  // namespace

TEST_CASE("a signal comes out of the channel", "[os][signals]") {
  in_both([] {
    const auto c = weft::notify_signals({SIGUSR1, SIGUSR2, SIGRTMIN + 3});
    CHECK(c.capacity() == 16);
    raise(SIGUSR1);
    CHECK(c.recv() == SIGUSR1);
    kill(getpid(), SIGUSR2);
    CHECK(c.recv() == SIGUSR2);
    raise(SIGRTMIN + 3);
    raise(SIGUSR2);
    raise(SIGUSR1);
    CHECK(c.recv() == SIGRTMIN + 3);  // in their order
    CHECK(c.recv() == SIGUSR2);
    CHECK(c.recv() == SIGUSR1);
    weft::stop_signals(c);
    CHECK(c.closed());
    CHECK(c.recv() == std::nullopt);
  });
}

TEST_CASE("who waits is woken by a signal, beside a busy worker, too", "[os][signals]") {
  weft::run([] {
    const auto c = weft::notify_signals({SIGUSR1});
    auto parked = weft::spawn([&] { return c.recv(); });
    until_parked(1);
    raise(SIGUSR1);
    CHECK(parked.get() == SIGUSR1);
    std::optional<int> selected;
    auto selects = weft::spawn([&] { return weft::select(weft::on_recv(c, selected)); });
    until_parked(1);
    raise(SIGUSR1);
    selects.wait();
    CHECK(selected == SIGUSR1);
    // It never waits, until the signal that it sends has been received.
    std::atomic<bool> received{false};
    auto receives = weft::spawn([&] {
      const bool good = c.recv() == SIGUSR1;
      received = true;
      return good;
    });
    raise(SIGUSR1);
    while (!received) {
    }
    CHECK(receives.get());
    weft::stop_signals(c);
  });
}

TEST_CASE("each channel that asks for a signal gets it", "[os][signals]") {
  in_both([] {
    const handled before(SIGUSR1, &earlier_handler);
    const int calls = earlier_calls;
    const auto a = weft::notify_signals({SIGUSR1, SIGUSR2});
    const auto b = weft::notify_signals({SIGUSR1});
    const auto other = weft::notify_signals({SIGHUP, SIGHUP});
    raise(SIGUSR1);
    CHECK(a.recv() == SIGUSR1);
    CHECK(b.recv() == SIGUSR1);
    weft::stop_signals(a);
    CHECK(handler_of(SIGUSR2) == SIG_DFL);
    raise(SIGUSR1);
    CHECK(b.recv() == SIGUSR1);
    CHECK(a.recv() == std::nullopt);
    CHECK(earlier_calls == calls);
    weft::stop_signals(b);
    CHECK(handler_of(SIGUSR1) == &earlier_handler);
    raise(SIGUSR1);
    CHECK(earlier_calls == calls + 1);
    CHECK(other.size() == 0);
    raise(SIGHUP);
    CHECK(other.recv() == SIGHUP);
    weft::stop_signals(other);
    CHECK(handler_of(SIGHUP) == SIG_DFL);
  });
}

TEST_CASE("a channel holds 16 signals and drops what comes then", "[os][signals]") {
  in_both([] {
    const auto narrow = weft::notify_signals({SIGUSR1});
    const auto c = weft::notify_signals({SIGUSR1, SIGUSR2});
    for (int i = 0; i < 20; ++i) raise(SIGUSR1);
    raise(SIGUSR2);
    until_held(c, 16);
    weft::stop_signals(c);  // whatever is on its way has come by then
    std::vector<int> all;
    for (const int number : c) all.push_back(number);
    CHECK(all == std::vector<int>(16, SIGUSR1));
    CHECK(narrow.size() == 16);
    weft::stop_signals(narrow);
  });
}

TEST_CASE("what came before the stop is delivered", "[os][signals]") {
  in_both([] {
    for (int i = 0; i < 100; ++i) {
      const auto c = weft::notify_signals({SIGUSR1});
      raise(SIGUSR1);
      weft::stop_signals(c);
      CHECK(c.recv() == SIGUSR1);
      CHECK(c.recv() == std::nullopt);
    }
  });
}

TEST_CASE("what cannot be caught is refused, and nothing is changed", "[os][signals]") {
  in_both([] {
    for (const int number : {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, 0, -1, 65, 1000, 32}) {
      try {
        weft::notify_signals({SIGUSR1, number});
        FAIL_CHECK("signal " << number);
      } catch (const std::system_error& e) {
        CHECK(e.code() == std::errc::invalid_argument);
        CHECK_THAT(e.what(), weft_test::contains("signal " + std::to_string(number)));
      }
      CHECK(handler_of(SIGUSR1) == SIG_DFL);
    }
  });
}

TEST_CASE("stopping something else does nothing", "[os][signals]") {
  in_both([] {
    const auto c = weft::notify_signals({SIGUSR1});
    weft::stop_signals({});
    weft::stop_signals(weft::chan<int>(16));
    CHECK_FALSE(c.closed());
    weft::stop_signals(c);
    weft::stop_signals(c);
    const auto none = weft::notify_signals({});
    CHECK_FALSE(none.closed());
    weft::stop_signals(none);
    CHECK(none.closed());
  });
}

TEST_CASE("another's handler that came meanwhile stays", "[os][signals]") {
  const auto c = weft::notify_signals({SIGUSR1});
  {
    const handled meanwhile(SIGUSR1, &earlier_handler);
    weft::stop_signals(c);
    CHECK(handler_of(SIGUSR1) == &earlier_handler);
  }
  // It has put ours back, which nobody asks for any more: the signal is for who was there before.
  const handled before(SIGUSR2, &earlier_handler);
  const auto d = weft::notify_signals({SIGUSR2});
  const int calls = earlier_calls;
  {
    const handled meanwhile(SIGUSR2, SIG_IGN);
    weft::stop_signals(d);
  }
  raise(SIGUSR2);
  while (earlier_calls == calls) std::this_thread::yield();
  CHECK(handler_of(SIGUSR2) == &earlier_handler);
  signal(SIGUSR1, SIG_DFL);
}

TEST_CASE("a channel of signals crosses runs and needs none", "[os][signals]") {
  const auto c = weft::notify_signals({SIGUSR1});
  raise(SIGUSR1);
  weft::run([&] { CHECK(c.recv() == SIGUSR1); });
  std::thread([&] { raise(SIGUSR1); }).join();
  weft::run([&] { CHECK(c.recv() == SIGUSR1); });
  raise(SIGUSR1);
  CHECK(c.recv() == SIGUSR1);
  weft::stop_signals(c);
}

TEST_CASE("no deadlock is seen while signals may come", "[os][signals]") {
  weft::run({.detect_deadlock = true}, [] {
    const auto c = weft::notify_signals({SIGUSR1});
    weft::go([] {
      weft::sleep_for(50ms);  // main waits for nothing else meanwhile
      pthread_kill(pthread_self(), SIGUSR1);
    });
    CHECK(c.recv() == SIGUSR1);
    weft::stop_signals(c);
  });
}

TEST_CASE("errno and system calls are left alone by a signal", "[os][signals]") {
  const auto c = weft::notify_signals({SIGUSR1});
  errno = 77;
  raise(SIGUSR1);
  CHECK(errno == 77);
  // A read that blocks is begun again.
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  std::atomic<bool> reads{false};
  char byte = 0;
  ssize_t got = 0;
  std::thread reader([&] {
    reads = true;
    got = read(ends[0], &byte, 1);
  });
  while (!reads) std::this_thread::yield();
  for (int i = 0; i < 100; ++i) pthread_kill(reader.native_handle(), SIGUSR1);
  CHECK(write(ends[1], "x", 1) == 1);
  reader.join();
  CHECK(got == 1);
  CHECK(byte == 'x');
  close(ends[0]);
  close(ends[1]);
  weft::stop_signals(c);
}

TEST_CASE("channels of signals come and go while signals arrive", "[os][signals]") {
  const auto descriptors = weft_test::fd_count();
  const auto kept = weft::notify_signals({SIGUSR1});
  std::atomic<bool> stop{false};
  std::thread sends([&] {
    while (!stop) {
      raise(SIGUSR1);
      std::this_thread::yield();
    }
  });
  weft::run([&] {
    std::vector<weft::join_handle<void>> all;
    for (int g = 0; g < 4; ++g) {
      all.push_back(weft::spawn([] {
        for (std::size_t i = 0; i < weft_test::scaled(500); ++i) {
          const auto c = weft::notify_signals({SIGUSR1, SIGUSR2});
          c.recv();
          weft::stop_signals(c);
          while (c.recv()) {
          }
        }
      }));
    }
    for (auto& h : all) h.wait();
  });
  stop = true;
  sends.join();
  weft::stop_signals(kept);
  CHECK(weft_test::fd_count() <= descriptors + 2);  // the default runtime's
}

TEST_CASE("a child has none of it", "[os][signals]") {
  const auto c = weft::notify_signals({SIGTERM, SIGPIPE});
  weft::command sed("sed", {"-n", "/^SigCgt/p", "/proc/self/status"});
  sed.stdout_to(weft::stdio::pipe).start();
  CHECK(sed.stdout_pipe().read_all() == "SigCgt:\t0000000000000000\n");
  CHECK(sed.wait().ok());
  weft::command sleeps("sleep", {"1000"});
  sleeps.start();
  sleeps.signal(SIGTERM);
  CHECK(sleeps.wait().signal == SIGTERM);
  CHECK(c.size() == 0);
  weft::stop_signals(c);
}
