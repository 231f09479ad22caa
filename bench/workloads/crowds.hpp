// Very many goroutines, or coroutines, that wait at the same time.
#ifndef WEFT_BENCH_CROWDS_HPP
#define WEFT_BENCH_CROWDS_HPP

#include "measure.hpp"

#include <weft/weft.hpp>

#include <chrono>
#include <cstdint>

namespace workloads {

// `ops` goroutines sleep a second each, all at once.
inline void sleepers(std::int64_t ops, std::int64_t) {
  weft::wait_group all;
  all.add(ops);
  for (std::int64_t i = 0; i < ops; ++i) {
    weft::go([&all] {
      weft::sleep_for(std::chrono::seconds(1));
      all.done();
    });
  }
  all.wait();
}

inline weft::coro<> coroutine_sleeper(weft::wait_group& all) {
  co_await weft::async_sleep_for(std::chrono::seconds(1));
  all.done();
}

inline void coroutine_sleepers(std::int64_t ops, std::int64_t) {
  weft::wait_group all;
  all.add(ops);
  for (std::int64_t i = 0; i < ops; ++i) {
    weft::go(coroutine_sleeper(all));
  }
  all.wait();
}

// What waits on a receive: all there once the constructor returns, until release().
class crowd {
 public:
  crowd() = default;
  crowd(const crowd&) = delete;
  crowd& operator=(const crowd&) = delete;

  void release() {
    gate_.close();
    gone_.wait();
  }

 protected:
  weft::wait_group ready_, gone_;
  weft::chan<std::int64_t> gate_;
};

class parked_crowd : public crowd {
 public:
  explicit parked_crowd(std::int64_t size) {
    ready_.add(size);
    gone_.add(size);
    for (std::int64_t i = 0; i < size; ++i) {
      weft::go([this] {
        ready_.done();
        gate_.recv();
        gone_.done();
      });
    }
    ready_.wait();
  }
};

class suspended_crowd : public crowd {
 public:
  explicit suspended_crowd(std::int64_t size) {
    ready_.add(size);
    gone_.add(size);
    for (std::int64_t i = 0; i < size; ++i) {
      weft::go(member());
    }
    ready_.wait();
  }

 private:
  weft::coro<> member() {
    ready_.done();
    co_await gate_.async_recv();
    gone_.done();
  }
};

}  // namespace workloads

#endif
