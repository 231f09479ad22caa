// How late goroutines run while others block or keep their threads; docs/robustness.md explains the
// figures.
//
//   weft-blocked-latency CASE [WORKERS [GOROUTINES [SECONDS]]]
//
// CASE, what every worker is in while GOROUTINES others sleep 1 ms in a loop, for SECONDS:
//   none      nothing: for comparison
//   usleep    a sleep of all SECONDS
//   pipe      a read on a pipe
//   receive   a receive on a datagram socket to which nobody sends, as in a look-up of a name
//   mutex     the lock of a std::mutex that another thread holds
//   compute   a computation without end
//   naps      blocking sleeps of 15 ms, one after the other, with a yield between
// or else, in which GOROUTINES and SECONDS say something else:
//   burst     GOROUTINES calls of usleep for a second, then one goroutine: when does it start?
//   lone      a goroutine that starts another and blocks its thread for 50 ms, SECONDS * 10 times,
//             beside sleeping workers: when does the other start?
//   idle      nothing for SECONDS: what CPU does that take?
//   idle-blocked   the same while one goroutine is in a usleep
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <vector>

#include <weft/weft.hpp>

namespace {

using namespace std::chrono_literals;
using clock = weft::clock;

struct settings {
  std::string_view what;
  unsigned workers = 2;
  unsigned goroutines = 10'000;
  unsigned seconds = 10;
};

double ms(clock::duration d) { return std::chrono::duration<double, std::milli>(d).count(); }

double cpu_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto s = [](timeval t) { return double(t.tv_sec) + double(t.tv_usec) / 1e6; };
  return s(used.ru_utime) + s(used.ru_stime);
}

// Counts of latencies by tens of microseconds, up to ten seconds. Filled from any thread.
class histogram {
 public:
  void add(clock::duration d) {
    const auto slot = std::size_t(std::max<std::int64_t>(d / 10us, 0));
    counts_[std::min(slot, slots - 1)].fetch_add(1, std::memory_order_relaxed);
  }
  std::uint64_t total() const {
    std::uint64_t n = 0;
    for (const auto& c : counts_) n += c;
    return n;
  }
  // In milliseconds, rounded up.
  double at(double part) const {
    const std::uint64_t all = total();
    const auto below = std::uint64_t(part * double(all));
    std::uint64_t n = 0;
    for (std::size_t i = 0; i < slots; ++i) {
      n += counts_[i];
      if (n > below || n == all) return double(i + 1) / 100;
    }
    return 0;
  }

 private:
  static constexpr std::size_t slots = 1'000'000;
  std::vector<std::atomic<std::uint32_t>> counts_ = std::vector<std::atomic<std::uint32_t>>(slots);
};

void print(const char* what, const histogram& h) {
  std::printf("%s: n %llu, ms: p50 %.2f, p90 %.2f, p99 %.2f, p99.9 %.2f, max %.2f\n", what,
              static_cast<unsigned long long>(h.total()), h.at(0.5), h.at(0.9), h.at(0.99),
              h.at(0.999), h.at(1));
}

// Ways to keep a thread until `until`.
class keeper {
 public:
  keeper(std::string_view what, clock::time_point until) : until_(until) {
    if (what == "none") return;
    if (what == "usleep") {
      keep_ = [this] { usleep(useconds_t((until_ - clock::now()) / 1us)); };
    } else if (what == "pipe") {
      if (::pipe(ends_) != 0) throw std::runtime_error("pipe");
      keep_ = [this] {
        char byte = 0;
        [[maybe_unused]] const auto n = ::read(ends_[0], &byte, 1);
      };
    } else if (what == "receive") {
      if (socketpair(AF_UNIX, SOCK_DGRAM, 0, ends_) != 0) throw std::runtime_error("socketpair");
      keep_ = [this] {
        char byte = 0;
        [[maybe_unused]] const auto n = ::recv(ends_[0], &byte, 1, 0);
      };
    } else if (what == "mutex") {
      holder_ = std::jthread([this] {
        std::lock_guard guard(mutex_);
        held_ = true;
        held_.notify_one();
        released_.wait(false);
      });
      held_.wait(false);
      keep_ = [this] { std::lock_guard guard(mutex_); };
    } else if (what == "compute") {
      keep_ = [this] {
        while (clock::now() < until_) {
        }
      };
    } else if (what == "naps") {
      keep_ = [this] {
        while (clock::now() < until_) {
          usleep(15'000);
          weft::yield();
        }
      };
    } else {
      throw std::runtime_error("no such case");
    }
  }
  void keep() const {
    if (keep_) keep_();
  }
  void release(unsigned n) {
    for (unsigned i = 0; i < n && ends_[1] >= 0; ++i) {
      [[maybe_unused]] const auto written = ::write(ends_[1], "x", 1);
    }
    released_ = true;
    released_.notify_one();
  }

 private:
  clock::time_point until_;
  std::function<void()> keep_;
  int ends_[2] = {-1, -1};
  std::mutex mutex_;
  std::atomic<bool> held_ = false;
  std::atomic<bool> released_ = false;
  std::jthread holder_;
};

void crowd(const settings& s) {
  const auto until = clock::now() + std::chrono::seconds(s.seconds);
  keeper k(s.what, until);
  histogram all;
  std::atomic<bool> over = false;
  weft::runtime_stats most;
  weft::wait_group kept;
  weft::wait_group sleepers;
  for (unsigned i = 0; i < s.workers; ++i) kept.go([&] { k.keep(); });
  for (unsigned i = 0; i < s.goroutines; ++i) {
    sleepers.go([&] {
      while (!over) {
        const auto due = clock::now() + 1ms;
        weft::sleep_until(due);
        all.add(clock::now() - due);
      }
    });
  }
  const double before = cpu_seconds();
  while (clock::now() < until) {
    weft::sleep_for(10ms);
    const auto now = weft::stats();
    most.threads = std::max(most.threads, now.threads);
    most.blocked_workers = std::max(most.blocked_workers, now.blocked_workers);
  }
  const double cpu = cpu_seconds() - before;
  over = true;
  k.release(s.workers);
  sleepers.wait();
  kept.wait();
  print("wake-up after a sleep of 1 ms", all);
  std::printf("threads at most %u, blocked workers at most %u, %.2f CPUs\n", most.threads,
              most.blocked_workers, cpu / s.seconds);
}

void burst(const settings& s) {
  const auto start = clock::now();
  weft::chan<clock::time_point> started(1);
  weft::wait_group calls;
  for (unsigned i = 0; i < s.goroutines; ++i) calls.go([] { usleep(1'000'000); });
  weft::yield();  // they come first, newest first; then this one goes on
  const auto back = clock::now();
  weft::go([=] { started.send(clock::now()); });
  const auto at = *started.recv();
  std::printf("behind %u blocking calls: main goes on after %.1f ms, the next starts after %.1f ms, "
              "threads %u\n",
              s.goroutines, ms(back - start), ms(at - start), weft::stats().threads);
  calls.wait();
}

void lone(const settings& s) {
  histogram all;
  for (unsigned i = 0; i < s.seconds * 10; ++i) {
    weft::sleep_for(50ms);
    weft::chan<clock::duration> late(1);
    weft::spawn([=] {
      weft::go([=, start = clock::now()] { late.send(clock::now() - start); });
      usleep(50'000);
    }).wait();
    all.add(*late.recv());
  }
  print("a lone goroutine behind one that blocks", all);
}

void idle(const settings& s) {
  weft::wait_group blocked;
  if (s.what == "idle-blocked") {
    blocked.go([&] {
      usleep(s.seconds * 1'000'000 + 500'000);
    });
  }
  weft::sleep_for(500ms);
  const double before = cpu_seconds();
  rusage from{};
  getrusage(RUSAGE_SELF, &from);
  weft::sleep_for(std::chrono::seconds(s.seconds));
  rusage to{};
  getrusage(RUSAGE_SELF, &to);
  std::printf("%.3f %% of a CPU over %u s, %ld context switches, threads %u\n",
              100 * (cpu_seconds() - before) / s.seconds, s.seconds,
              to.ru_nvcsw + to.ru_nivcsw - from.ru_nvcsw - from.ru_nivcsw, weft::stats().threads);
  blocked.wait();
}

unsigned number(const char* text) {
  unsigned n = 0;
  const auto [end, error] = std::from_chars(text, text + std::strlen(text), n);
  if (error != std::errc() || *end != '\0' || n == 0) throw std::runtime_error("not a number above 0");
  return n;
}

}  // namespace

int main(int argc, char** argv) try {
  settings s;
  if (argc < 2 || argc > 5) throw std::runtime_error("CASE [WORKERS [GOROUTINES [SECONDS]]]");
  s.what = argv[1];
  if (argc > 2) s.workers = number(argv[2]);
  if (argc > 3) s.goroutines = number(argv[3]);
  if (argc > 4) s.seconds = number(argv[4]);
  weft::run({.workers = s.workers}, [&] {
    if (s.what == "burst") return burst(s);
    if (s.what == "lone") return lone(s);
    if (s.what == "idle" || s.what == "idle-blocked") return idle(s);
    crowd(s);
  });
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "weft-blocked-latency: %s\n", e.what());
  return 2;
}
