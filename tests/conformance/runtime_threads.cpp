// Plain threads, several runtimes, the default runtime.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <signal.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft_test::at_end;

TEST_CASE("a plain thread's go runs on the default runtime", "[runtime][threads]") {
  weft::chan<bool> c;
  weft::go([c] { c.send(weft::this_goroutine::inside()); });
  CHECK(c.recv() == true);
  CHECK_FALSE(weft::this_goroutine::inside());
  CHECK(weft::spawn([] { return 6 * 7; }).get() == 42);
  auto failing = weft::spawn([]() -> int { throw std::runtime_error("from afar"); });
  CHECK_THROWS_AS(failing.get(), std::runtime_error);
}

TEST_CASE("several threads start goroutines on the default runtime", "[runtime][threads]") {
  const int per_thread = weft_test::scaled(500);
  weft::chan<int> c(8);
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([c, per_thread] {
      for (int i = 0; i < per_thread; ++i) weft::go([c] { c.send(1); });
    });
  }
  int sum = 0;
  for (int i = 0; i < 3 * per_thread; ++i) sum += c.recv().value_or(0);
  for (auto& t : threads) t.join();
  CHECK(sum == 3 * per_thread);
}

TEST_CASE("goroutines of the default runtime live on across runs", "[runtime][threads]") {
  weft::chan<int> ask;
  weft::chan<int> reply;
  weft::go([ask, reply] {
    for (int v : ask) reply.send(v * 2);
    reply.close();
  });
  for (int i = 0; i < 3; ++i) {
    int answer = weft::run([&] {
      ask.send(i);
      return *reply.recv();
    });
    CHECK(answer == 2 * i);
  }
  ask.close();
  CHECK_FALSE(reply.recv().has_value());
}

TEST_CASE("runtime::run and runtime::go", "[runtime][threads]") {
  std::atomic<bool> unwound = false;
  {
    weft::runtime rt({.workers = 2});
    CHECK(rt.run([] { return weft::workers(); }) == 2);
    CHECK(rt.stats().workers == 2);
    CHECK_THROWS_AS(rt.run([] { throw std::out_of_range("x"); }), std::out_of_range);
    auto token = std::make_unique<int>(4);
    weft::chan<int> c;
    rt.go([c, token = std::move(token)] { c.send(*token); });
    CHECK(c.recv() == 4);
    CHECK(rt.run([c] {
      weft::go([c] { c.send(5); });
      return *c.recv();
    }) == 5);
    weft::chan<void> started;
    rt.go([&, started] {
      at_end note([&] { unwound = true; });
      started.send();
      weft::chan<int>().recv();
    });
    started.recv();
    CHECK_FALSE(unwound);
  }
  CHECK(unwound);
}

TEST_CASE("a runtime that does nothing ends", "[runtime][threads]") {
  for (int i = 0; i < 5; ++i) weft::runtime rt({.workers = 4});
  SUCCEED();
}

TEST_CASE("~runtime destroys what never started", "[runtime][threads]") {
  auto token = std::make_shared<int>(0);
  {
    weft::runtime rt({.workers = 1});
    for (int i = 0; i < 100; ++i) {
      rt.go([token] { weft::chan<int>().recv(); });
    }
  }
  CHECK(token.use_count() == 1);
}

TEST_CASE("two runtimes and a thread share a channel", "[runtime][threads]") {
  const int count = weft_test::scaled(2000);
  weft::runtime left({.workers = 1});
  weft::runtime right({.workers = 2});
  weft::chan<int> numbers;
  weft::chan<void> sent(2);
  weft::chan<long> sums(2);
  auto send = [numbers, sent, count](int value) {
    for (int i = 0; i < count; ++i) numbers.send(value);
    sent.send();
  };
  auto add_up = [numbers, sums] {
    long sum = 0;
    for (int v : numbers) sum += v;
    sums.send(sum);
  };
  left.go([send] { send(1); });
  std::thread sender([send] { send(2); });
  right.go(add_up);
  std::thread receiver(add_up);
  sent.recv();
  sent.recv();
  numbers.close();
  sender.join();
  receiver.join();
  CHECK(*sums.recv() + *sums.recv() == 3L * count);
}

TEST_CASE("spawn in a goroutine stays in its runtime", "[runtime][threads]") {
  unsigned inner = weft::run({.workers = 3}, [] {
    return weft::spawn([] { return weft::spawn([] { return weft::workers(); }).get(); }).get();
  });
  CHECK(inner == 3);
}

TEST_CASE("threads and goroutines wait on one channel together", "[runtime][threads]") {
  const int count = weft_test::scaled(3000);
  for (std::size_t capacity : {0u, 1u, 16u}) {
    weft::chan<int> c(capacity);
    weft::chan<void> done;
    std::atomic<long> received = 0;
    std::atomic<int> values = 0;
    auto produce = [c, count, done] {
      for (int i = 1; i <= count; ++i) c.send(i);
      done.send();
    };
    auto consume = [&, c] {
      while (auto v = c.recv()) {
        received += *v;
        ++values;
      }
    };
    std::vector<std::thread> threads;
    threads.emplace_back(produce);
    threads.emplace_back(consume);
    weft::run([&] {
      weft::go(produce);
      weft::go(produce);
      auto first = weft::spawn(consume);
      auto second = weft::spawn(consume);
      for (int i = 0; i < 3; ++i) done.recv();
      c.close();
      first.get();
      second.get();
    });
    for (auto& t : threads) t.join();
    CHECK(values == 3 * count);
    CHECK(received == 3L * count * (count + 1) / 2);
  }
}

TEST_CASE("workers take the signals of the thread that began the run, whoever starts them",
          "[runtime][threads]") {
  sigset_t some;
  sigemptyset(&some);
  sigaddset(&some, SIGUSR2);
  sigset_t before;
  pthread_sigmask(SIG_BLOCK, &some, &before);
  for (int round = 0; round < 10; ++round) {
    weft::run({.workers = 2}, [] {
      // Of this thread only. It does not wait, so it stays here, and starts the other worker's thread.
      sigset_t all;
      sigset_t own;
      sigfillset(&all);
      pthread_sigmask(SIG_SETMASK, &all, &own);
      std::atomic<int> seen{0};
      sigset_t mask;
      weft::wait_group group;
      for (int i = 0; i < 8; ++i) {  // the second calls for help
        group.go([&] {
          if (seen++ == 0) pthread_sigmask(SIG_SETMASK, nullptr, &mask);
        });
      }
      while (seen == 0) {
      }
      pthread_sigmask(SIG_SETMASK, &own, nullptr);
      group.wait();
      CHECK(sigismember(&mask, SIGUSR1) == 0);
      CHECK(sigismember(&mask, SIGTERM) == 0);
      CHECK(sigismember(&mask, SIGUSR2) == 1);
    });
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}
