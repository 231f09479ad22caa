// The workloads that the benchmarks run: here in weft, in bench/peers/ the same in others.
//
// Each runs inside a goroutine, performs `ops` operations (an even number, at least two) and
// returns when all are done. docs/benchmarks.md says what one operation is.
#ifndef WEFT_BENCH_WORKLOADS_HPP
#define WEFT_BENCH_WORKLOADS_HPP

#include <weft/weft.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace workloads {

inline void expect(std::int64_t got, std::int64_t want) {
  if (got != want) {
    throw std::runtime_error("got " + std::to_string(got) + " instead of " + std::to_string(want));
  }
}

// The values 0 to ops - 1 have all arrived, each once.
inline void check(std::int64_t sum, std::int64_t ops) { expect(sum, ops * (ops - 1) / 2); }

inline void spawn(std::int64_t ops) {
  weft::wait_group all;
  all.add(ops);
  for (std::int64_t i = 0; i < ops; ++i) {
    weft::go([&all] { all.done(); });
  }
  all.wait();
}

inline void spawn_join(std::int64_t ops) {
  std::int64_t sum = 0;
  for (std::int64_t i = 0; i < ops; ++i) {
    sum += weft::spawn([i] { return i; }).get();
  }
  check(sum, ops);
}

inline void yield(std::int64_t ops) {
  weft::wait_group both;
  for (int i = 0; i < 2; ++i) {
    both.go([ops] {
      for (std::int64_t j = 0; j < ops / 2; ++j) {
        weft::yield();
      }
    });
  }
  both.wait();
}

inline void ping_pong(std::int64_t ops) {
  weft::chan<std::int64_t> ping, pong;
  weft::go([ping, pong] {
    for (std::int64_t v : ping) {
      pong.send(v);
    }
  });
  std::int64_t sum = 0;
  for (std::int64_t i = 0; i < ops; ++i) {
    ping.send(i);
    sum += *pong.recv();
  }
  ping.close();
  check(sum, ops);
}

template <std::size_t Capacity>
void produce_consume(std::int64_t ops) {
  weft::chan<std::int64_t> values(Capacity);
  weft::go([values, ops] {
    for (std::int64_t i = 0; i < ops; ++i) {
      values.send(i);
    }
    values.close();
  });
  std::int64_t sum = 0;
  for (std::int64_t v : values) {
    sum += v;
  }
  check(sum, ops);
}

inline void select_2(std::int64_t ops) {
  weft::chan<std::int64_t> a, b;
  auto feed = [ops](weft::send_chan<std::int64_t> c, std::int64_t first) {
    for (std::int64_t i = first; i < ops; i += 2) {
      c.send(i);
    }
  };
  weft::go(feed, a, 0);
  weft::go(feed, b, 1);
  std::int64_t sum = 0;
  auto add = [&sum](std::optional<std::int64_t> v) { sum += *v; };
  for (std::int64_t i = 0; i < ops; ++i) {
    weft::select(weft::on_recv(a, add), weft::on_recv(b, add));
  }
  check(sum, ops);
}

inline void select_default_1(std::int64_t ops) {
  weft::chan<std::int64_t> a;
  std::int64_t nothing = 0;
  for (std::int64_t i = 0; i < ops; ++i) {
    weft::select(weft::on_recv(a), weft::on_default([&nothing] { ++nothing; }));
  }
  expect(nothing, ops);
}

inline void select_default_2(std::int64_t ops) {
  weft::chan<std::int64_t> a, b;
  std::int64_t nothing = 0;
  for (std::int64_t i = 0; i < ops; ++i) {
    weft::select(weft::on_recv(a), weft::on_recv(b), weft::on_default([&nothing] { ++nothing; }));
  }
  expect(nothing, ops);
}

inline void mutex(std::int64_t ops) {
  weft::mutex m;
  std::int64_t n = 0;
  for (std::int64_t i = 0; i < ops; ++i) {
    m.lock();
    ++n;
    m.unlock();
  }
  expect(n, ops);
}

inline void timer(std::int64_t ops) {
  using namespace std::chrono_literals;
  weft::timer t(1h);
  for (std::int64_t i = 0; i < ops; ++i) {
    t.reset(1h);
    t.stop();
  }
}

// Goroutines that wait on a receive: there once the constructor returns, until release().
class parked_crowd {
 public:
  explicit parked_crowd(std::int64_t size) {
    weft::wait_group ready;
    ready.add(size);
    gone_.add(size);
    for (std::int64_t i = 0; i < size; ++i) {
      weft::go([&ready, this] {
        ready.done();
        gate_.recv();
        gone_.done();
      });
    }
    ready.wait();
  }
  parked_crowd(const parked_crowd&) = delete;
  parked_crowd& operator=(const parked_crowd&) = delete;

  void release() {
    gate_.close();
    gone_.wait();
  }

 private:
  weft::chan<std::int64_t> gate_;
  weft::wait_group gone_;
};

struct workload {
  std::string_view name;
  void (*run)(std::int64_t ops);
};

inline constexpr std::array all{
    workload{"spawn", spawn},
    workload{"spawn_join", spawn_join},
    workload{"yield", yield},
    workload{"ping_pong", ping_pong},
    workload{"unbuffered", produce_consume<0>},
    workload{"buffered_128", produce_consume<128>},
    workload{"select_2", select_2},
    workload{"select_default_1", select_default_1},
    workload{"select_default_2", select_default_2},
    workload{"mutex", mutex},
    workload{"timer", timer},
};

}  // namespace workloads

#endif
