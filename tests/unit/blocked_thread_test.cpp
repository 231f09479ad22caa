// Goroutines that keep their thread, in a plain blocking call or by computing, hold up nobody.
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <iostream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <weft/weft.hpp>

#include "conformance/collect.hpp"
#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/plain_pipe.hpp"
#include "support/threads.hpp"
#include "unit/own_stderr.hpp"

using namespace std::chrono_literals;
using weft_test::plain_pipe;

namespace {

// Two threads for everything, both of them kept, while somebody has to go on.
WEFT_CHILD_CASE("all-threads-kept") {
  weft_test::own_stderr err;
  {
    plain_pipe gate;
    std::atomic<int> came_back = 0;
    std::atomic<int> went_on = 0;
    weft::runtime r({.workers = 1, .max_threads = 2});
    for (int round = 1; round <= 2; ++round) {
      for (int i = 0; i < 2; ++i) r.go([&] { came_back += gate.block(); });
      while (r.stats().blocked_workers < 2) std::this_thread::yield();
      r.go([&] { ++went_on; });
      if (round == 1) err.wait_for("max_threads");
      for (int i = 0; i < 1000; ++i) std::this_thread::yield();  // for what must not be said again
      std::cout << went_on << " of " << round << ", threads " << r.stats().threads << '\n';
      for (int i = 0; i < 2; ++i) gate.release();
      while (came_back != 2 * round || went_on != round) std::this_thread::yield();
    }
  }
  std::cout << "said " << err.count_to_end("max_threads") << " times more\n";
}

}  // namespace

TEST_CASE("a plain blocking call holds up neither others nor timers") {
  const unsigned workers = GENERATE(1u, 2u);
  const int blocked = GENERATE(1, 5);
  CAPTURE(workers, blocked);
  std::atomic<int> came_back = 0;
  int slept = 0;
  weft::run({.workers = workers}, [&] {
    plain_pipe gate;
    weft::wait_group group;
    for (int i = 0; i < blocked; ++i) {
      group.go([&] { came_back += gate.block(); });
    }
    group.go([&] {
      for (; slept < 10; ++slept) weft::sleep_for(1ms);
      if (came_back == 0) {
        for (int i = 0; i < blocked; ++i) gate.release();
      }
    });
    group.wait();
  });
  CHECK(slept == 10);
  CHECK(came_back == blocked);
}

TEST_CASE("calls of every kind that block their thread hold up nobody") {
  const unsigned workers = GENERATE(1u, 2u);
  const std::string how = GENERATE("sleep", "mutex", "receive", "condition", "join");
  CAPTURE(workers, how);
  std::atomic<bool> enough = false;
  std::mutex lock;
  std::condition_variable changed;
  plain_pipe gate;
  std::array<int, 2> sockets{};
  REQUIRE(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sockets.data()) == 0);
  std::atomic<unsigned> came_back = 0;
  std::atomic<unsigned> failed_calls = 0;
  std::atomic<bool> held = false;
  std::thread holder([&] {  // of the mutex; the others are joined with it
    std::unique_lock guard(lock);
    held = true;
    gate.block();
  });
  while (!held) std::this_thread::yield();
  std::vector<std::thread> joined;
  for (unsigned i = 0; i < workers; ++i) joined.emplace_back([&] { std::lock_guard guard(lock); });
  std::mutex other_lock;
  weft::run({.workers = workers}, [&] {
    weft::wait_group group;
    for (unsigned i = 0; i < workers; ++i) {
      group.go([&, i] {
        if (how == "sleep") {
          while (!enough) usleep(50'000);
        } else if (how == "mutex") {
          std::lock_guard guard(lock);
        } else if (how == "receive") {
          char byte = 0;
          if (recv(sockets[0], &byte, 1, 0) != 1) ++failed_calls;
        } else if (how == "condition") {
          std::unique_lock guard(other_lock);
          changed.wait(guard, [&] { return enough.load(); });
        } else {
          joined[i].join();
        }
        ++came_back;
      });
    }
    group.go([&] {
      auto ends = weft::pipe();
      weft::wait_group inner;
      inner.go([&] {
        std::array<std::byte, 1> byte{};
        ends.reader.read(byte);
      });
      for (int i = 0; i < 5; ++i) weft::sleep_for(1ms);
      ends.writer.write("x");
      inner.wait();
      {
        std::lock_guard guard(other_lock);
        enough = true;
      }
      changed.notify_all();
      gate.release();
      for (unsigned i = 0; i < workers; ++i) {
        if (send(sockets[1], "x", 1, 0) != 1) ++failed_calls;
      }
    });
    group.wait();
  });
  CHECK(came_back == workers);
  CHECK(failed_calls == 0);
  holder.join();
  for (auto& t : joined) {
    if (t.joinable()) t.join();
  }
  close(sockets[0]);
  close(sockets[1]);
}

TEST_CASE("main itself blocks its thread; what it started before goes on") {
  weft::run({.workers = 1}, [] {
    plain_pipe gate;
    weft::chan<int> c;
    weft::go([=] { c.send(1); });
    weft::go([&, c] {
      if (c.recv() == 1) gate.release();
    });
    CHECK(gate.block());
  });
}

TEST_CASE("a long computation holds up nobody") {
  const unsigned workers = GENERATE(1u, 2u);
  const unsigned computing = GENERATE(1u, 3u);
  std::atomic<bool> enough = false;
  std::atomic<unsigned> ended = 0;
  weft::run({.workers = workers}, [&] {
    weft::wait_group group;
    for (unsigned i = 0; i < computing; ++i) {
      group.go([&] {
        while (!enough) {
        }
        ++ended;
      });
    }
    group.go([&] {
      for (int i = 0; i < 5; ++i) weft::sleep_for(1ms);
      enough = true;
    });
    group.wait();
  });
  CHECK(ended == computing);
}

TEST_CASE("behind a computation and beside others that only yield, everybody has a turn") {
  // The stand-in is never idle, since the others yield on it: it must look into the queue of the
  // worker that computes all the same.
  for (int round = 0; round < 5; ++round) {
    weft::run({.workers = 1}, [] {
      std::atomic<bool> stop = false;
      weft::wait_group group;
      for (int y = 0; y < 3; ++y) {
        group.go([&] {
          while (!stop) weft::yield();
        });
      }
      group.go([&] {
        for (int i = 0; i < 100; ++i) weft::yield();
        group.go([&] { stop = true; });
        while (!stop) {
        }
      });
      group.wait();
    });
  }
  SUCCEED();
}

TEST_CASE("a timer fires beside others that compute and yield") {
  // No sleeper waits for ever behind goroutines that never rest: it hangs then.
  for (const unsigned workers : {1u, 2u}) {
    std::atomic<bool> stop = false;
    weft::run({.workers = workers}, [&] {
      for (unsigned h = 0; h < 2 * workers; ++h) {
        weft::go([&] {
          while (!stop) {
            const auto start = weft::clock::now();
            while (weft::clock::now() - start < 5ms) {
            }
            weft::yield();
          }
        });
      }
      for (int i = 0; i < 5; ++i) weft::sleep_for(5ms);
      stop = true;
    });
  }
  SUCCEED();
}

TEST_CASE("descriptors are watched although the only worker is kept") {
  weft::run({.workers = 1}, [] {
    plain_pipe gate;
    auto ends = weft::pipe();
    weft::wait_group group;
    group.go([&] {
      std::array<std::byte, 1> byte{};
      if (ends.reader.read(byte) == 1) gate.release();
    });
    weft_test::until_parked(1);
    std::thread outside([&] { ends.writer.write("x"); });
    CHECK(gate.block());
    outside.join();
    group.wait();
  });
}

TEST_CASE("those who wait behind a goroutine that blocks are taken over, not only new ones") {
  weft::run({.workers = 1}, [] {
    plain_pipe gate;
    weft::chan<int> many(100);
    weft::wait_group group;
    for (int i = 0; i < 20; ++i) {
      group.go([=] {
        weft::yield();
        many.send(i);
      });
    }
    group.go([&] {
      int sum = 0;
      for (int i = 0; i < 20; ++i) sum += *many.recv();
      if (sum == 190) gate.release();
    });
    CHECK(gate.block());
    group.wait();
  });
}

TEST_CASE("when all threads are kept the process says so once and goes on when one comes back") {
  const auto child = weft_test::run_child("all-threads-kept");
  CHECK(child.out == "0 of 1, threads 2\n1 of 2, threads 2\nsaid 0 times more\n");
  CHECK(child.exit_code == 0);
}

TEST_CASE("threads that stood in are gone after the run") {
  const std::size_t before = weft_test::thread_count();
  for (int round = 0; round < 3; ++round) {
    weft::runtime r({.workers = 2});
    plain_pipe gate;
    std::atomic<int> came_back = 0;
    for (int i = 0; i < 4; ++i) r.go([&] { came_back += gate.block(); });
    r.run([] { weft::sleep_for(1ms); });
    CHECK(r.stats().threads >= 3);
    for (int i = 0; i < 4; ++i) gate.release();
    r.run([&] {
      while (came_back != 4) weft::yield();
    });
  }
  CHECK(weft_test::comes_down_to(before));
}

TEST_CASE("threads that stood in go when nothing is left to do, though nobody looks") {
  const unsigned workers = GENERATE(1u, 2u);
  CAPTURE(workers);
  weft::runtime r({.workers = workers});
  plain_pipe gate;
  std::atomic<unsigned> came_back = 0;
  for (unsigned i = 0; i < 2 * workers + 3; ++i) r.go([&] { came_back += gate.block(); });
  r.run([] { weft::sleep_for(1ms); });
  CHECK(r.stats().threads > workers);
  for (unsigned i = 0; i < 2 * workers + 3; ++i) gate.release();
  while (came_back != 2 * workers + 3 || r.stats().threads > workers) std::this_thread::yield();
  CHECK(r.stats().blocked_workers == 0);
}
