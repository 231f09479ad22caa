// The workloads in Boost.Fiber. The variant is the scheduler, round_robin (one thread only),
// shared_work or work_stealing (two threads or more), and with -dispatch behind it the launch policy
// of new fibers, which matters only where many are started.
#include "../../workloads/numbers.hpp"
#include "../peer.hpp"

#include <boost/fiber/all.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

namespace {

namespace fibers = boost::fibers;
using workloads::check;
using workloads::expect;
using workloads::watch;
using unbuffered_channel = fibers::unbuffered_channel<std::int64_t>;
using buffered_channel = fibers::buffered_channel<std::int64_t>;

fibers::launch policy = fibers::launch::post;

template <class F>
void go(F f) {
  fibers::fiber(policy, std::move(f)).detach();
}

class wait_group {
 public:
  explicit wait_group(std::int64_t n) : left_(n) {}
  void done() {
    if (left_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      const std::lock_guard guard(mutex_);
      through_ = true;
      condition_.notify_one();
    }
  }
  void wait() {
    std::unique_lock guard(mutex_);
    condition_.wait(guard, [this] { return through_; });
  }

 private:
  std::atomic<std::int64_t> left_;
  fibers::mutex mutex_;
  fibers::condition_variable condition_;
  bool through_ = false;
};

void spawn(std::int64_t ops) {
  wait_group all(ops);
  for (std::int64_t i = 0; i < ops; ++i) {
    go([&all] { all.done(); });
  }
  all.wait();
}

void spawn_join(std::int64_t ops) {
  std::int64_t sum = 0;
  for (std::int64_t i = 0; i < ops; ++i) {
    sum += fibers::async(policy, [i] { return i; }).get();
  }
  check(sum, ops);
}

void yield(std::int64_t ops) {
  wait_group both(2);
  for (int i = 0; i < 2; ++i) {
    go([&both, ops] {
      for (std::int64_t j = 0; j < ops / 2; ++j) {
        boost::this_fiber::yield();
      }
      both.done();
    });
  }
  both.wait();
}

std::int64_t fib_of(std::int64_t n) {
  if (n < 2) {
    return n;
  }
  auto first = fibers::async(policy, fib_of, n - 1);
  const std::int64_t second = fib_of(n - 2);
  return first.get() + second;
}

void fib(std::int64_t ops) {
  const auto [n, spawned] = workloads::fib_with_spawns(ops);
  watch.operations(spawned);
  expect(fib_of(n), workloads::fib_number(n));
}

void skynet_node(unbuffered_channel& result, std::int64_t first, std::int64_t leaves) {
  if (leaves == 1) {
    result.push(first);
    return;
  }
  unbuffered_channel parts;
  std::vector<fibers::fiber> children;
  for (std::int64_t i = 0; i < 10; ++i) {
    children.emplace_back(policy, [&parts, at = first + i * (leaves / 10), leaves] {
      skynet_node(parts, at, leaves / 10);
    });
  }
  std::int64_t sum = 0;
  for (int i = 0; i < 10; ++i) {
    sum += parts.value_pop();
  }
  for (auto& c : children) {
    c.join();  // they are inside push, with a reference to the channel
  }
  result.push(sum);
}

void skynet(std::int64_t ops) {
  const std::int64_t leaves = workloads::power_of_ten(ops);
  watch.operations(leaves);
  unbuffered_channel result;
  fibers::fiber root(policy, [&] { skynet_node(result, 0, leaves); });
  check(result.value_pop(), leaves);
  root.join();
}

void ping_pong(std::int64_t ops) {
  unbuffered_channel ping, pong;
  fibers::fiber other(policy, [&] {
    for (std::int64_t v : ping) {
      pong.push(v);
    }
  });
  std::int64_t sum = 0;
  for (std::int64_t i = 0; i < ops; ++i) {
    ping.push(i);
    sum += pong.value_pop();
  }
  ping.close();
  other.join();
  check(sum, ops);
}

template <class Channel>
void produce_consume(Channel& values, std::int64_t ops) {
  fibers::fiber producer(policy, [&] {
    for (std::int64_t i = 0; i < ops; ++i) {
      values.push(i);
    }
    values.close();
  });
  std::int64_t sum = 0;
  for (std::int64_t v : values) {
    sum += v;
  }
  producer.join();
  check(sum, ops);
}

void many_to_many(std::int64_t ops, std::int64_t n) {
  buffered_channel values(128);
  std::vector<fibers::fiber> producers;
  for (std::int64_t p = 0; p < n; ++p) {
    producers.emplace_back(policy, [&values, p, ops, n] {
      for (std::int64_t i = p; i < ops; i += n) {
        values.push(i);
      }
    });
  }
  std::vector<fibers::future<std::int64_t>> sums;
  for (std::int64_t c = 0; c < n; ++c) {
    sums.push_back(fibers::async(policy, [&values] {
      std::int64_t sum = 0;
      for (std::int64_t v : values) {
        sum += v;
      }
      return sum;
    }));
  }
  for (auto& p : producers) {
    p.join();
  }
  values.close();
  std::int64_t sum = 0;
  for (auto& s : sums) {
    sum += s.get();
  }
  check(sum, ops);
}

void ring(std::int64_t ops, std::int64_t n) {
  const auto size = static_cast<std::size_t>(n);
  std::vector<unbuffered_channel> links(size);
  unbuffered_channel done;
  wait_group ready(n);
  std::vector<fibers::fiber> members;
  for (std::size_t i = 0; i < size; ++i) {
    members.emplace_back(policy, [&, i] {
      ready.done();
      unbuffered_channel& out = links[(i + 1) % size];
      for (std::int64_t hops : links[i]) {
        if (hops == 0) {
          done.push(0);
        } else {
          out.push(hops - 1);
        }
      }
      out.close();
    });
  }
  ready.wait();
  watch.restart();
  links[0].push(ops - 1);
  done.value_pop();
  watch.stop();
  links[0].close();
  for (auto& m : members) {
    m.join();
  }
}

void sieve(std::int64_t ops) {
  const std::int64_t largest = workloads::nth_prime(ops);
  watch.restart();
  std::vector<std::unique_ptr<unbuffered_channel>> channels;
  std::vector<fibers::fiber> filters;
  channels.push_back(std::make_unique<unbuffered_channel>());
  filters.emplace_back(policy, [&numbers = *channels.back(), largest] {
    for (std::int64_t i = 2; i <= largest; ++i) {
      numbers.push(i);
    }
    numbers.close();
  });
  std::int64_t found = 0, prime = 0;
  while (channels.back()->pop(prime) == fibers::channel_op_status::success) {
    ++found;
    unbuffered_channel& in = *channels.back();
    channels.push_back(std::make_unique<unbuffered_channel>());
    filters.emplace_back(policy, [&in, &out = *channels.back(), prime] {
      for (std::int64_t v : in) {
        if (v % prime != 0) {
          out.push(v);
        }
      }
      out.close();
    });
  }
  for (auto& f : filters) {
    f.join();
  }
  expect(found, ops);
}

// There is no select: a bare try_pop of each channel.
void select_default(std::int64_t ops, std::int64_t n) {
  buffered_channel a(2), b(2);
  std::int64_t nothing = 0, value = 0;
  const auto empty = [&](buffered_channel& c) {
    return c.try_pop(value) == fibers::channel_op_status::empty;
  };
  for (std::int64_t i = 0; i < ops; ++i) {
    if (empty(a) && (n == 1 || empty(b))) {
      ++nothing;
    }
  }
  expect(nothing, ops);
}

void mutex(std::int64_t ops, std::int64_t n) {
  fibers::mutex m;
  std::int64_t count = 0;
  const auto use = [&](std::int64_t times) {
    for (std::int64_t i = 0; i < times; ++i) {
      m.lock();
      ++count;
      m.unlock();
    }
  };
  if (n == 1) {
    use(ops);
  } else {
    std::vector<fibers::fiber> all;
    for (std::int64_t f = 0; f < n; ++f) {
      all.emplace_back(policy, [&] { use(ops / n); });
    }
    for (auto& f : all) {
      f.join();
    }
    watch.operations(ops / n * n);
  }
  expect(count, ops / n * n);
}

void sleepers(std::int64_t ops) {
  wait_group all(ops);
  for (std::int64_t i = 0; i < ops; ++i) {
    go([&all] {
      boost::this_fiber::sleep_for(std::chrono::seconds(1));
      all.done();
    });
  }
  all.wait();
}

void parked(std::int64_t ops) {
  unbuffered_channel gate;
  wait_group ready(ops), gone(ops);
  const std::int64_t before = peer::memory();
  watch.start(ops);
  for (std::int64_t i = 0; i < ops; ++i) {
    go([&] {
      ready.done();
      std::int64_t v = 0;
      gate.pop(v);
      gone.done();
    });
  }
  ready.wait();
  watch.stop();
  const auto bytes = static_cast<double>(peer::memory() - before) / static_cast<double>(ops);
  gate.close();
  gone.wait();
  peer::report({{"ns_per_op", watch.ns_per_operation()}, {"bytes_per_op", bytes}});
}

void run(const peer::request& r, std::int64_t ops) {
  const auto n = r.n;
  if (r.base == "spawn") return spawn(ops);
  if (r.base == "spawn_join") return spawn_join(ops);
  if (r.base == "fib") return fib(ops);
  if (r.base == "skynet") return skynet(ops);
  if (policy == fibers::launch::dispatch) throw peer::no_such_workload();
  if (r.base == "yield") return yield(ops);
  if (r.base == "ping_pong") return ping_pong(ops);
  if (r.base == "unbuffered") {
    unbuffered_channel c;
    return produce_consume(c, ops);
  }
  if (r.base == "buffered" && n > 1) {
    buffered_channel c(static_cast<std::size_t>(n));
    return produce_consume(c, ops);
  }
  if (r.base == "many_to_many") return many_to_many(ops, n);
  if (r.base == "ring") return ring(ops, n);
  if (r.base == "sieve") return sieve(ops);
  if (r.base == "select_default") return select_default(ops, n);
  if (r.base == "mutex") return mutex(ops, n);
  if (r.base == "sleepers") return sleepers(ops);
  throw peer::no_such_workload();
}

void run_peer(const peer::request& r) {
  if (r.base == "parked" && policy == fibers::launch::post) {
    return parked(r.ops);
  }
  peer::timed(r.ops, r.base != "sleepers", [&](std::int64_t ops) { run(r, ops); });
  peer::report({{"ns_per_op", watch.ns_per_operation()}});
}

// The other threads run fibers until the peer is through.
class helpers {
 public:
  template <class Install>
  helpers(unsigned count, Install install) {
    for (unsigned i = 0; i < count; ++i) {
      threads_.emplace_back([this, install] {
        install();
        std::unique_lock guard(mutex_);
        over_.wait(guard, [this] { return is_over_; });
      });
    }
    install();
  }
  ~helpers() {
    {
      const std::lock_guard guard(mutex_);
      is_over_ = true;
      over_.notify_all();
    }
    for (auto& t : threads_) {
      t.join();
    }
  }

 private:
  std::vector<std::thread> threads_;
  fibers::mutex mutex_;
  fibers::condition_variable over_;
  bool is_over_ = false;
};

}  // namespace

int main(int argc, char** argv) {
  return peer::main(argc, argv, [](const peer::request& r) {
    std::string_view scheduler = r.variant;
    if (constexpr std::string_view dispatch = "-dispatch"; scheduler.ends_with(dispatch)) {
      policy = fibers::launch::dispatch;
      scheduler.remove_suffix(dispatch.size());
    }
    const unsigned threads = r.workers;
    if (scheduler == "round_robin" && threads == 1) {
      run_peer(r);
    } else if (scheduler == "shared_work") {
      const helpers others(threads - 1, [] {
        fibers::use_scheduling_algorithm<fibers::algo::shared_work>();
      });
      run_peer(r);
    } else if (scheduler == "work_stealing" && threads > 1) {
      const helpers others(threads - 1, [threads] {
        fibers::use_scheduling_algorithm<fibers::algo::work_stealing>(threads);
      });
      run_peer(r);
    } else {
      throw peer::no_such_workload();
    }
    // Fibers that were detached may be at their last instructions: nothing waits for them.
    std::_Exit(0);
  });
}
