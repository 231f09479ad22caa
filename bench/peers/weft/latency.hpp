// How long an idle runtime takes to come awake, and what it costs while nothing happens.
#ifndef WEFT_BENCH_LATENCY_HPP
#define WEFT_BENCH_LATENCY_HPP

#include "../peer.hpp"

#include <weft/weft.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

inline std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

inline void report_latencies(std::vector<std::int64_t> ns) {
  std::ranges::sort(ns);
  const auto at = [&](std::size_t per_mille) {
    return static_cast<double>(ns[std::min(ns.size() - 1, ns.size() * per_mille / 1000)]) / 1000;
  };
  peer::report({{"us_median", at(500)}, {"us_p999", at(999)}, {"us_max", at(1000)}});
}

// A plain thread sends the time every millisecond, a goroutine reads it.
inline void wake_by_thread(std::int64_t ops) {
  weft::chan<std::int64_t> stamps(1);
  std::jthread sender([=] {
    for (std::int64_t i = 0; i < ops; ++i) {
      usleep(1000);
      stamps.send(now_ns());
    }
    stamps.close();
  });
  std::vector<std::int64_t> late;
  for (std::int64_t sent : stamps) {
    late.push_back(now_ns() - sent);
  }
  report_latencies(std::move(late));
}

inline void wake_by_timer(std::int64_t ops) {
  std::vector<std::int64_t> late;
  for (std::int64_t i = 0; i < ops; ++i) {
    const std::int64_t due = now_ns() + 1'000'000;
    weft::sleep_for(std::chrono::milliseconds(1));
    late.push_back(now_ns() - due);
  }
  report_latencies(std::move(late));
}

inline void wake_by_socket(std::int64_t ops) {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    throw std::runtime_error("socketpair");
  }
  std::jthread sender([fd = ends[1], ops] {
    for (std::int64_t i = 0; i < ops; ++i) {
      usleep(1000);
      const std::int64_t stamp = now_ns();
      if (write(fd, &stamp, sizeof stamp) != sizeof stamp) {
        return;
      }
    }
    close(fd);
  });
  weft::file_descriptor reader(ends[0]);
  std::vector<std::int64_t> late;
  std::int64_t sent = 0;
  while (reader.read_full(std::as_writable_bytes(std::span(&sent, 1))) == sizeof sent) {
    late.push_back(now_ns() - sent);
  }
  report_latencies(std::move(late));
}

inline double cpu_ms() {
  rusage use{};
  getrusage(RUSAGE_SELF, &use);
  return static_cast<double>(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1e3 +
         static_cast<double>(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e3;
}

// The processor's time that `body`, which takes `ms` milliseconds, costs in a second.
template <class Body>
void report_cpu(std::int64_t ms, Body body) {
  weft::sleep_for(std::chrono::milliseconds(200));  // what starting leaves behind
  const double before = cpu_ms();
  body();
  peer::report({{"cpu_ms_per_s", (cpu_ms() - before) * 1000 / static_cast<double>(ms)}});
}

// False: the request is for something else.
inline bool measure_latency(const peer::request& r) {
  using std::chrono::milliseconds;
  if (r.workload == "wake_thread") {
    wake_by_thread(r.ops);
  } else if (r.workload == "wake_timer") {
    wake_by_timer(r.ops);
  } else if (r.workload == "wake_socket") {
    wake_by_socket(r.ops);
  } else if (r.workload == "cpu_idle") {
    report_cpu(r.ops, [&] { weft::sleep_for(milliseconds(r.ops)); });
  } else if (r.workload == "cpu_tick") {
    report_cpu(r.ops, [&] {
      weft::ticker ticks(milliseconds(1));
      for (std::int64_t i = 0; i < r.ops; ++i) {
        ticks.channel().recv();
      }
    });
  } else {
    return false;
  }
  return true;
}

#endif
