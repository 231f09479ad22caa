// The workloads with a thread of the system for each goroutine, and a channel made of a mutex and
// condition variables. WORKERS is the number of CPUs that the process may use.
#include "../../workloads/numbers.hpp"
#include "../listen.hpp"
#include "../peer.hpp"
#include "channel.hpp"

#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <future>
#include <mutex>
#include <thread>
#include <vector>

#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using workloads::check;
using workloads::expect;
using workloads::watch;
using int_channel = channel<std::int64_t>;

void spawn(std::int64_t ops) {
  std::mutex m;
  std::condition_variable through;
  std::int64_t left = ops;
  for (std::int64_t i = 0; i < ops; ++i) {
    std::thread([&] {
      const std::lock_guard guard(m);
      if (--left == 0) {
        through.notify_one();
      }
    }).detach();
  }
  std::unique_lock guard(m);
  through.wait(guard, [&] { return left == 0; });
}

void spawn_join(std::int64_t ops) {
  std::int64_t sum = 0;
  for (std::int64_t i = 0; i < ops; ++i) {
    sum += std::async(std::launch::async, [i] { return i; }).get();
  }
  check(sum, ops);
}

void yield(std::int64_t ops) {
  const auto half = [ops] {
    for (std::int64_t i = 0; i < ops / 2; ++i) {
      sched_yield();
    }
  };
  const std::jthread a(half), b(half);
}

void ping_pong(std::int64_t ops) {
  int_channel ping(0), pong(0);
  const std::jthread other([&] {
    while (const auto v = ping.recv()) {
      pong.send(*v);
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

std::int64_t sum_of(int_channel& values) {
  std::int64_t sum = 0;
  while (const auto v = values.recv()) {
    sum += *v;
  }
  return sum;
}

void produce_consume(std::int64_t ops, std::int64_t capacity) {
  int_channel values(static_cast<std::size_t>(capacity));
  const std::jthread producer([&] {
    for (std::int64_t i = 0; i < ops; ++i) {
      values.send(i);
    }
    values.close();
  });
  check(sum_of(values), ops);
}

void many_to_many(std::int64_t ops, std::int64_t n) {
  int_channel values(128);
  std::vector<std::jthread> producers;
  for (std::int64_t p = 0; p < n; ++p) {
    producers.emplace_back([&, p] {
      for (std::int64_t i = p; i < ops; i += n) {
        values.send(i);
      }
    });
  }
  std::vector<std::future<std::int64_t>> sums;
  for (std::int64_t c = 0; c < n; ++c) {
    sums.push_back(std::async(std::launch::async, [&] { return sum_of(values); }));
  }
  producers.clear();
  values.close();
  std::int64_t sum = 0;
  for (auto& s : sums) {
    sum += s.get();
  }
  check(sum, ops);
}

void ring(std::int64_t ops, std::int64_t n) {
  const auto size = static_cast<std::size_t>(n);
  std::vector<int_channel> links(size);
  int_channel done(0);
  std::vector<std::jthread> members;
  for (std::size_t i = 0; i < size; ++i) {
    members.emplace_back([&, i] {
      int_channel& out = links[(i + 1) % size];
      while (const auto hops = links[i].recv()) {
        if (*hops == 0) {
          done.send(0);
        } else {
          out.send(*hops - 1);
        }
      }
      out.close();
    });
  }
  watch.restart();
  links[0].send(ops - 1);
  done.recv();
  watch.stop();
  links[0].close();
}

void sieve(std::int64_t ops) {
  const std::int64_t largest = workloads::nth_prime(ops);
  watch.restart();
  std::vector<std::unique_ptr<int_channel>> channels;
  channels.push_back(std::make_unique<int_channel>(0));
  std::vector<std::jthread> filters;
  filters.emplace_back([&numbers = *channels.back(), largest] {
    for (std::int64_t i = 2; i <= largest; ++i) {
      numbers.send(i);
    }
    numbers.close();
  });
  std::int64_t found = 0;
  while (const auto prime = channels.back()->recv()) {
    ++found;
    int_channel& in = *channels.back();
    channels.push_back(std::make_unique<int_channel>(0));
    filters.emplace_back([&in, &out = *channels.back(), p = *prime] {
      while (const auto v = in.recv()) {
        if (*v % p != 0) {
          out.send(*v);
        }
      }
      out.close();
    });
  }
  expect(found, ops);
}

void mutex(std::int64_t ops, std::int64_t n) {
  std::mutex m;
  std::int64_t count = 0;
  const auto use = [&](std::int64_t times) {
    for (std::int64_t i = 0; i < times; ++i) {
      m.lock();
      ++count;
      m.unlock();
    }
  };
  if (n == 1) {
    // In a process with one thread glibc leaves out the locked instructions.
    const std::jthread idle([](const std::stop_token& end) {
      while (!end.stop_requested()) {
        usleep(1000);
      }
    });
    use(ops);
  } else {
    std::vector<std::jthread> all;
    for (std::int64_t t = 0; t < n; ++t) {
      all.emplace_back([&] { use(ops / n); });
    }
    all.clear();
    watch.operations(ops / n * n);
  }
  expect(count, ops / n * n);
}

void echo() {
  const int listener = peer::listen_on_loopback(0);
  for (;;) {
    const int fd = peer::check(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC), "accept4");
    peer::no_delay(fd);
    std::thread([fd] {
      std::array<char, 4096> buffer;
      for (ssize_t n = 0; (n = read(fd, buffer.data(), buffer.size())) > 0;) {
        if (write(fd, buffer.data(), static_cast<std::size_t>(n)) != n) {
          break;
        }
      }
      close(fd);
    }).detach();
  }
}

void run(const peer::request& r, std::int64_t ops) {
  if (r.base == "spawn") return spawn(ops);
  if (r.base == "spawn_join") return spawn_join(ops);
  if (r.base == "yield") return yield(ops);
  if (r.base == "ping_pong") return ping_pong(ops);
  if (r.base == "unbuffered") return produce_consume(ops, 0);
  if (r.base == "buffered") return produce_consume(ops, r.n);
  if (r.base == "many_to_many") return many_to_many(ops, r.n);
  if (r.base == "ring") return ring(ops, r.n);
  if (r.base == "sieve") return sieve(ops);
  if (r.base == "mutex") return mutex(ops, r.n);
  throw peer::no_such_workload();
}

}  // namespace

int main(int argc, char** argv) {
  return peer::main(argc, argv, [](const peer::request& r) {
    cpu_set_t allowed, some;
    CPU_ZERO(&some);
    sched_getaffinity(0, sizeof allowed, &allowed);
    for (unsigned cpu = 0, left = r.workers; cpu < CPU_SETSIZE && left != 0; ++cpu) {
      if (CPU_ISSET(cpu, &allowed)) {
        CPU_SET(cpu, &some);
        --left;
      }
    }
    sched_setaffinity(0, sizeof some, &some);
    if (r.base == "echo") {
      return echo();
    }
    peer::timed(r.ops, true, [&](std::int64_t ops) { run(r, ops); });
    peer::report({{"ns_per_op", watch.ns_per_operation()}});
    std::_Exit(0);  // detached threads may be at their last instructions
  });
}
