// The promised orders. Each test hands plain data over by one operation and by nothing else, so
// under ThreadSanitizer a missing order is a report, and elsewhere a wrong value. The last test shows
// that ThreadSanitizer would report.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using weft::chan_status;
using weft::on_default;
using weft::on_recv;
using weft::on_send;
using weft::on_timeout;
using weft::select;

namespace {

const int rounds = weft_test::under_tsan ? 200 : int(weft_test::scaled(2000));

// One plain value a round, written by one goroutine and read by another.
using plain = std::vector<int>;

// send(c, i) in one goroutine after a write, receive(c) in another before the read.
template <class Send, class Receive>
bool handed_over(std::size_t capacity, Send send, Receive receive) {
  return weft::run([&] {
    weft::chan<int> c(capacity);
    plain data(rounds, -1);
    auto writer = weft::spawn([&] {
      for (int i = 0; i < rounds; ++i) {
        data[i] = i;
        send(c, i);
      }
    });
    auto reader = weft::spawn([&] {
      bool good = true;
      for (int k = 0; k < rounds; ++k) {
        const int i = receive(c);
        good = good && data[i] == i;
      }
      return good;
    });
    writer.get();
    return reader.get();
  });
}

const auto by_send = [](auto& c, int i) { c.send(i); };
const auto by_try_send = [](auto& c, int i) {
  while (c.try_send(i) != chan_status::ok) weft::yield();
};
const auto by_send_for = [](auto& c, int i) { c.send_for(i, 1h); };
const auto by_select_send = [](auto& c, int i) {
  weft::chan<int> never;
  select(on_recv(never), on_send(c, i));
};
const auto by_recv = [](auto& c) { return *c.recv(); };
const auto by_try_recv = [](auto& c) {
  std::optional<int> v;
  while (c.try_recv(v) != chan_status::ok) weft::yield();
  return *v;
};
const auto by_recv_for = [](auto& c) {
  std::optional<int> v;
  c.recv_for(v, 1h);
  return v.value_or(0);
};
const auto by_select_recv = [](auto& c) {
  weft::chan<int> never;
  std::optional<int> v;
  select(on_recv(never), on_recv(c, v), on_timeout(1h));
  return v.value_or(0);
};

}  // namespace

TEST_CASE("a send happens before its receive", "[happens-before]") {
  for (std::size_t capacity : {0u, 1u, 5u}) {
    CAPTURE(capacity);
    CHECK(handed_over(capacity, by_send, by_recv));
    CHECK(handed_over(capacity, by_send, by_try_recv));
    CHECK(handed_over(capacity, by_send_for, by_recv_for));
    CHECK(handed_over(capacity, by_try_send, by_recv));
    CHECK(handed_over(capacity, by_select_send, by_recv));
    CHECK(handed_over(capacity, by_send, by_select_recv));
    CHECK(handed_over(capacity, by_select_send, by_select_recv));
  }
}

TEST_CASE("a send happens before its receive, between threads and goroutines", "[happens-before]") {
  for (std::size_t capacity : {0u, 3u}) {
    weft::chan<int> there(capacity);
    weft::chan<int> back(capacity);
    plain data(rounds, 0);
    std::thread doubles([&] {
      for (int i : there) {
        data[i] *= 2;
        back.send(i);
      }
    });
    const bool good = weft::run([&] {
      bool good = true;
      for (int i = 0; i < rounds; ++i) {
        data[i] = i;
        there.send(i);
        good = good && data[*back.recv()] == 2 * i;
      }
      there.close();
      return good;
    });
    doubles.join();
    CHECK(good);
  }
}

TEST_CASE("the k-th receive happens before the send k + capacity returns", "[happens-before]") {
  // The sender reads what the receiver wrote before the receive that made its send return.
  for (std::size_t capacity : {0u, 1u, 3u}) {
    CAPTURE(capacity);
    const bool good = weft::run([&] {
      weft::chan<int> c(capacity);
      plain data(rounds + 4, -1);
      auto receiver = weft::spawn([&] {
        for (int k = 0; k < rounds; ++k) {
          data[k] = k;
          c.recv();
        }
      });
      bool good = true;
      for (int k = 0; k < rounds; ++k) {
        if (k % 2 == 0) {
          c.send(k);
        } else {
          select(on_send(c, k), on_timeout(1h));
        }
        if (k >= int(capacity)) good = good && data[k - int(capacity)] == k - int(capacity);
      }
      receiver.get();
      return good;
    });
    CHECK(good);
  }
}

TEST_CASE("a channel of one place is a mutex", "[happens-before]") {
  int plain_counter = 0;
  const int each = rounds / 4 + 1;
  weft::run([&] {
    weft::chan<void> lock(1);
    weft::wait_group group;
    for (int g = 0; g < 4; ++g) {
      group.go([&] {
        for (int i = 0; i < each; ++i) {
          lock.send();
          ++plain_counter;
          lock.recv();
        }
      });
    }
    group.wait();
  });
  CHECK(plain_counter == 4 * each);
}

TEST_CASE("a close happens before a receive that sees it", "[happens-before]") {
  const int closes = rounds / 8 + 1;
  weft_test::notes notes;
  weft::run([&] {
    for (int i = 0; i < closes; ++i) {
      weft::chan<int> c(i % 2);
      int data = 0;
      weft::wait_group group;
      group.go([&] {
        c.recv();
        notes.expect(data == i, "recv");
      });
      group.go([&] {
        std::optional<int> v;
        while (c.try_recv(v) != chan_status::closed) weft::yield();
        notes.expect(data == i, "try_recv");
      });
      group.go([&] {
        weft::chan<int> never;
        select(on_recv(never), on_recv(c));
        notes.expect(data == i, "select");
      });
      group.go([&] {
        for ([[maybe_unused]] int v : c) {
        }
        notes.expect(data == i, "for");
      });
      if (i % 3 == 0) weft::yield();
      data = i;
      c.close();
      group.wait();
    }
  });
  CHECK(notes.text() == "");
}

TEST_CASE("go and spawn happen before what they start", "[happens-before]") {
  const bool good = weft::run([] {
    plain data(rounds, 0);
    weft::chan<bool> c(10);
    bool good = true;
    for (int i = 0; i < rounds; ++i) {
      data[i] = i + 1;
      weft::go([&, i] { c.send(data[i] == i + 1); });
      good = good && *c.recv();
    }
    for (int i = 0; i < rounds; ++i) {
      data[i] = i + 2;
      good = good && weft::spawn([&, i] { return data[i] == i + 2; }).get();
    }
    return good;
  });
  CHECK(good);
}

TEST_CASE("a plain thread's go happens before what it starts", "[happens-before]") {
  weft::runtime own({.workers = 2});
  int data = 0;
  bool good = true;
  for (int i = 0; i < rounds / 10 + 1; ++i) {
    data = i;
    weft::chan<bool> c;
    if (i % 2 == 0) {
      weft::go([&, i, c] { c.send(data == i); });
    } else {
      own.go([&, i, c] { c.send(data == i); });
    }
    good = *c.recv() && good;
  }
  CHECK(good);
}

TEST_CASE("a goroutine's end happens before get, wait and a done that sees it",
          "[happens-before]") {
  auto check = [] {
    bool good = true;
    for (int i = 0; i < rounds / 10 + 1; ++i) {
      int data = -1;
      auto writes = [&, i] { data = i; };
      switch (i % 4) {
        case 0: weft::spawn(writes).get(); break;
        case 1: weft::spawn(writes).wait(); break;
        case 2: {
          auto h = weft::spawn(writes);
          while (!h.done()) weft::yield();
          break;
        }
        case 3: {
          auto h = weft::spawn([&] {
            writes();
            throw 1;
          });
          try {
            h.get();
          } catch (int) {
          }
        }
      }
      good = good && data == i;
    }
    return good;
  };
  CHECK(weft::run(check));
  CHECK(check());  // a plain thread, with the default runtime
}

TEST_CASE("what a goroutine did while it unwound is seen after get, wait and run",
          "[happens-before]") {
  for (int i = 0; i < rounds / 20 + 1; ++i) {
    int parked = 0;
    int left = 0;
    weft::run([&] {
      weft::chan<void> started;
      weft::go([&] {
        weft_test::at_end note([&] { parked = i + 1; });
        started.send();
        weft::chan<int>().recv();
      });
      auto leaves = weft::spawn([&] {
        weft_test::at_end note([&] { left = i + 1; });
        weft::exit_goroutine();
      });
      leaves.wait();
      CHECK(left == i + 1);
      started.recv();
    });
    REQUIRE(parked == i + 1);
  }
}

TEST_CASE("what run's caller did is seen inside, and the other way round", "[happens-before]") {
  int data = 0;
  for (int i = 0; i < rounds / 20 + 1; ++i) {
    data = 2 * i;
    const bool seen = weft::run([&] {
      const bool seen = weft::spawn([&] { return data == 2 * i; }).get();
      data = 2 * i + 1;
      return seen;
    });
    REQUIRE(seen);
    REQUIRE(data == 2 * i + 1);
  }
  {
    weft::runtime own({.workers = 2});
    for (int i = 0; i < rounds / 20 + 1; ++i) {
      data = i;
      own.run([&] { data += 1; });
      REQUIRE(data == i + 1);
    }
    own.go([&] {
      weft_test::at_end note([&] { data = -1; });
      weft::chan<int>().recv();
    });
    own.run([] {
      while (weft::stats().parked < 1) weft::yield();
    });
  }
  CHECK(data == -1);
}

TEST_CASE("done happens before a wait that it ends", "[happens-before]") {
  auto check = [] {
    bool good = true;
    for (int i = 0; i < rounds / 4 + 1; ++i) {
      std::array<int, 3> data{};
      weft::wait_group group;
      group.add(2);
      for (int k = 0; k < 2; ++k) {
        weft::go([&, k] {
          data[k] = i;
          group.done();
        });
      }
      group.go([&] { data[2] = i; });
      if (i % 2 == 0) {
        group.wait();
      } else {
        while (!group.wait_for(1ms)) {
        }
      }
      good = good && data[0] == i && data[1] == i && data[2] == i;
    }
    return good;
  };
  CHECK(weft::run(check));
  CHECK(check());
}

TEST_CASE("an unlock happens before the lock that follows", "[happens-before]") {
  int counter = 0;
  const int each = rounds / 4 + 1;
  weft::mutex mutex;
  auto count = [&] {
    for (int i = 0; i < each; ++i) {
      if (i % 3 == 0) {
        while (!mutex.try_lock()) weft::yield();
      } else {
        mutex.lock();
      }
      ++counter;
      if (i % 16 == 0) weft::yield();
      mutex.unlock();
    }
  };
  std::thread beside(count);
  weft::run([&] {
    weft::wait_group group;
    for (int g = 0; g < 3; ++g) group.go(count);
    group.wait();
  });
  beside.join();
  CHECK(counter == 4 * each);
}

TEST_CASE("a mutex unlocked by another goroutine orders both", "[happens-before]") {
  const bool good = weft::run([] {
    weft::mutex mutex;
    plain data(rounds, 0);
    bool good = true;
    for (int i = 0; i < rounds / 4; ++i) {
      mutex.lock();
      weft::go([&, i] {
        data[i] = i;
        mutex.unlock();
      });
      mutex.lock();
      good = good && data[i] == i;
      mutex.unlock();
    }
    return good;
  });
  CHECK(good);
}

TEST_CASE("setting a timer happens before its tick is received", "[happens-before]") {
  const bool good = weft::run([] {
    bool good = true;
    int data = 0;
    weft::timer t(1h);
    weft::chan<bool> seen;
    auto receives = weft::spawn([&] {
      for (int i = 0; i < rounds / 20 + 1; ++i) {
        if (i % 2 == 0) {
          t.channel().recv();
        } else {
          select(on_recv(t.channel()), on_recv(weft::chan<int>(nullptr)));
        }
        seen.send(data == i);
      }
    });
    for (int i = 0; i < rounds / 20 + 1; ++i) {
      data = i;
      t.reset(0s);
      good = *seen.recv() && good;
    }
    receives.get();
    return good;
  });
  CHECK(good);
}

// ---- The other way round: what is a race must be seen ----------------------------------------

namespace {

// No operation orders these two, although one worker runs both, wakes, parks and ends them.
WEFT_CHILD_CASE("race-of-two") {
  auto data = std::make_unique<int>(0);
  weft::run({.workers = 1}, [&] {
    weft::chan<void> a;
    weft::chan<void> b;
    auto first = weft::spawn([&] {
      a.recv();
      *data = 1;
    });
    auto second = weft::spawn([&] {
      b.recv();
      *data = 2;
    });
    a.send();
    b.send();
    first.get();
    second.get();
  });
}

// The starter goes on beside what it has started.
WEFT_CHILD_CASE("race-after-go") {
  auto data = std::make_unique<int>(0);
  weft::run({.workers = 2}, [&] {
    auto other = weft::spawn([&] { *data = 1; });
    *data = 2;
    other.get();
  });
}

// The receiver's later doings are not ordered before the sender's, which has its room already.
WEFT_CHILD_CASE("race-after-a-buffered-send") {
  auto data = std::make_unique<int>(0);
  weft::run({.workers = 2}, [&] {
    weft::chan<int> c(4);
    auto other = weft::spawn([&] {
      c.recv();
      *data = 1;
    });
    c.send(1);
    while (c.size() != 0) weft::yield();
    *data = 2;
    other.get();
  });
}

}  // namespace

TEST_CASE("ThreadSanitizer sees what is not ordered", "[happens-before]") {
  if (!weft_test::under_tsan) return;
  for (const char* name : {"race-of-two", "race-after-go", "race-after-a-buffered-send"}) {
    CAPTURE(name);
    const auto child = weft_test::run_child(name);
    CHECK(child.exit_code != 0);
    CHECK_THAT(child.err, weft_test::contains("data race"));
  }
}
