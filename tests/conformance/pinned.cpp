// pinned: a goroutine that keeps its thread, and the others meanwhile.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <system_error>
#include <thread>
#include <vector>

#include <unistd.h>

using namespace std::chrono_literals;

namespace {

// Every way to wait and to come back.
void wait_somehow(int round) {
  switch (round % 6) {
    case 0: weft::yield(); break;
    case 1: weft::sleep_for(std::chrono::microseconds(50)); break;
    case 2: weft::spawn([] { weft::yield(); }).wait(); break;
    case 3: {
      weft::chan<int> c;
      weft::go([c] { c.send(1); });
      c.recv();
      break;
    }
    case 4: {
      weft::chan<int> a;
      weft::chan<int> b;
      weft::go([b] { b.send(1); });
      weft::select(weft::on_recv(a), weft::on_recv(b));
      break;
    }
    default: {
      std::optional<int> nothing;
      weft::chan<int>(nullptr).recv_for(nothing, 50us);
    }
  }
}

}  // namespace

TEST_CASE("a pinned goroutine stays on its thread through every wait", "[pinned]") {
  weft_test::notes notes;
  weft::run([&] {
    weft::wait_group group;
    for (int g = 0; g < 4; ++g) {
      group.go([&, g] {
        for (int again = 0; again < 3; ++again) {
          const weft::pinned pin;
          const pid_t thread = gettid();
          for (int i = 0; i < int(weft_test::scaled(300)) + 12; ++i) {
            wait_somehow(i + g);
            notes.expect(gettid() == thread, "it has moved");
          }
        }
      });
    }
    for (int g = 0; g < 4; ++g) {
      group.go([&, g] {
        for (int i = 0; i < int(weft_test::scaled(1000)) + 12; ++i) wait_somehow(i + g);
      });
    }
    group.wait();
  });
  CHECK(notes.text() == "");
}

TEST_CASE("nobody else runs on a pinned goroutine's thread", "[pinned]") {
  weft_test::notes notes;
  weft::run([&] {
    const weft::pinned pin;
    const pid_t mine = gettid();
    weft::wait_group group;
    for (int g = 0; g < 50; ++g) {
      group.go([&, g] {
        for (int i = 0; i < 6; ++i) {
          notes.expect(gettid() != mine, "another runs on the pinned thread");
          wait_somehow(i + g);
        }
      });
    }
    for (int i = 0; i < 20; ++i) weft::yield();
    group.wait();
    CHECK(gettid() == mine);
  });
  CHECK(notes.text() == "");
}

TEST_CASE("pins nest", "[pinned]") {
  weft::run([] {
    auto outer = std::make_unique<weft::pinned>();
    const pid_t thread = gettid();
    {
      const weft::pinned inner;
      for (int i = 0; i < 6; ++i) wait_somehow(i);
    }
    for (int i = 0; i < 60; ++i) {
      wait_somehow(i);
      CHECK(gettid() == thread);
    }
    outer.reset();
    for (int i = 0; i < 12; ++i) wait_somehow(i);
  });
}

TEST_CASE("others go on while a pinned goroutine computes", "[pinned]") {
  weft::run([] {
    const weft::pinned pin;
    std::atomic<int> steps = 0;
    weft::go([&] {
      for (int i = 0; i < 20; ++i) {
        weft::sleep_for(100us);
        ++steps;
      }
    });
    while (steps != 20) {
    }
  });
}

TEST_CASE("timers and descriptors of others go on", "[pinned]") {
  weft::run([] {
    auto ends = weft::pipe();
    std::atomic<int> done = 0;
    weft::wait_group group;
    group.go([&] {
      std::array<std::byte, 1> byte{};
      done += int(ends.reader.read(byte));
    });
    for (int i = 0; i < 10; ++i) {
      group.go([&] {
        weft::sleep_for(2ms);
        ++done;
      });
    }
    weft::yield();
    const weft::pinned pin;
    weft::after(1ms).recv();
    ends.writer.write("x");
    group.wait();
    CHECK(done == 11);
  });
}

TEST_CASE("a plain thread's timers go on while worker 0 is pinned", "[pinned]") {
  weft::runtime r({.workers = 1});
  r.run([] {
    const weft::pinned pin;
    weft::chan<void> over;
    std::thread outside([=] {
      weft::timer t(1ms);
      t.channel().recv();
      over.close();
    });
    over.recv();
    outside.join();
  });
}

TEST_CASE("beyond max_threads pinning throws and leaves the goroutine as it was", "[pinned]") {
  weft::run({.workers = 1, .max_threads = 2}, [] {
    {
      const weft::pinned first;
      weft::spawn([] {
        CHECK_THROWS_AS(weft::pinned(), std::system_error);
        weft::yield();
      }).wait();
    }
    // The thread is free again, at the latest when the stand-in has looked.
    weft::spawn([] {
      const weft::pinned second;
      weft::yield();
    }).wait();
  });
}

TEST_CASE("pinned goroutines that wait are seen as waiting: a deadlock", "[pinned]") {
  CHECK_THROWS_AS(weft::run([] {
                    weft::go([] {
                      const weft::pinned pin;
                      weft::chan<int>(nullptr).recv();
                    });
                    const weft::pinned pin;
                    weft::chan<int>().recv();
                  }),
                  weft::deadlock_error);
}

TEST_CASE("pinned goroutines that wake each other are no deadlock", "[pinned]") {
  weft::run([] {
    weft::chan<int> a;
    weft::chan<int> b;
    weft::go([=] {
      const weft::pinned pin;
      for (const int v : a) b.send(v + 1);
      b.close();
    });
    const weft::pinned pin;
    for (int i = 0; i < int(weft_test::scaled(5000)); ++i) {
      a.send(i);
      CHECK(b.recv() == i + 1);
    }
    a.close();
    CHECK_FALSE(b.recv().has_value());
  });
}

TEST_CASE("pinned goroutines unwind at the end of the run", "[pinned]") {
  std::atomic<int> unwound = 0;
  for (int round = 0; round < 20; ++round) {
    weft::run([&] {
      weft::chan<void> ready;
      for (int i = 0; i < 4; ++i) {
        weft::go([&unwound, ready, i] {
          const weft_test::at_end count([&] { ++unwound; });
          const weft::pinned pin;
          ready.send();
          if (i == 0) weft::chan<int>(nullptr).recv();
          if (i == 1) weft::sleep_for(1h);
          for (;;) weft::yield();
        });
      }
      for (int i = 0; i < 4; ++i) ready.recv();
    });
    CHECK(unwound == 4 * (round + 1));
  }
}

TEST_CASE("a pin that is leaked ends with its goroutine", "[pinned]") {
  weft::run({.workers = 1}, [] {
    alignas(weft::pinned) static std::byte place[sizeof(weft::pinned)];
    for (int i = 0; i < 5; ++i) {
      weft::spawn([] {
        ::new (static_cast<void*>(place)) weft::pinned;
        weft::yield();
      }).wait();
    }
    for (int i = 0; i < 12; ++i) wait_somehow(i);
  });
}

TEST_CASE("on a plain thread pinned does nothing", "[pinned]") {
  const weft::pinned pin;
  CHECK(weft::spawn([] { return 1; }).get() == 1);
}
