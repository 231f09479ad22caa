// More of Go's runtime/chan_test.go: those with many goroutines.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/opaque.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <random>
#include <sstream>
#include <vector>

using namespace std::chrono_literals;
using weft::on_recv;
using weft::on_send;
using weft::on_timeout;
using weft::select;

TEST_CASE("TestSelectStress", "[go-test]") {
  // Four channels; each is used alone and in a select by both sides at the same time.
  const int count = weft_test::scaled(10000);
  weft_test::notes notes;
  weft::run([&] {
    std::array<weft::chan<int>, 4> c = {weft::chan<int>(0), weft::chan<int>(0), weft::chan<int>(2),
                                        weft::chan<int>(3)};
    weft::wait_group group;
    for (int k = 0; k < 4; ++k) {
      group.go([&, k] {
        for (int i = 0; i < count; ++i) c[k].send(0);
      });
      group.go([&, k] {
        for (int i = 0; i < count; ++i) c[k].recv();
      });
    }
    group.go([&] {
      std::array<int, 4> n{};
      std::array<weft::chan<int>, 4> mine = c;
      for (int i = 0; i < 4 * count; ++i) {
        auto k = select(on_send(mine[3], 0), on_send(mine[2], 0), on_send(mine[0], 0),
                        on_send(mine[1], 0));
        const std::array<std::size_t, 4> which = {3, 2, 0, 1};
        if (++n[which[k]] == count) mine[which[k]] = nullptr;
      }
    });
    group.go([&] {
      std::array<int, 4> n{};
      std::array<weft::chan<int>, 4> mine = c;
      for (int i = 0; i < 4 * count; ++i) {
        auto k = select(on_recv(mine[0]), on_recv(mine[1]), on_recv(mine[2]), on_recv(mine[3]));
        if (++n[k] == count) mine[k] = nullptr;
      }
    });
    group.wait();
    for (auto& x : c) CHECK(x.size() == 0);
  });
}

TEST_CASE("TestPseudoRandomSend", "[go-test]") {
  // A select over two sends to one channel, never synchronised with its receiver, mixes both.
  const int n = 100;
  weft::run([] {
    for (std::size_t capacity : {0u, 1u}) {
      weft::chan<int> c(capacity);
      auto receiver = weft::spawn([c] {
        std::vector<int> got;
        for (int i = 0; i < n; ++i) {
          weft::yield();
          got.push_back(*c.recv());
        }
        return got;
      });
      for (int i = 0; i < n; ++i) select(on_send(c, 1), on_send(c, 0));
      auto got = receiver.get();
      int zeros = 0;
      int changes = 0;
      for (int i = 0; i < n; ++i) {
        zeros += got[i] == 0;
        changes += i > 0 && got[i] != got[i - 1];
      }
      CHECK(zeros > n / 10);
      CHECK(zeros < n - n / 10);
      CHECK(changes > 4);
    }
  });
}

TEST_CASE("TestMultiConsumer", "[go-test]") {
  const int workers = 23;
  const int numbers = weft_test::scaled(60000);
  weft::run([numbers] {
    weft::chan<int> work(numbers / 100 + 1);
    weft::chan<int> results(numbers / 200 + 1);
    const std::array<int, 6> primes = {2, 3, 7, 11, 13, 17};
    weft::wait_group group;
    for (int i = 0; i < workers; ++i) {
      group.go([=] {
        std::minstd_rand random(static_cast<unsigned>(i) + 1);
        for (int v : work) {
          if (random() % workers == 0) weft::yield();
          results.send(v);
        }
      });
    }
    long expected = 0;
    for (int i = 0; i < numbers; ++i) expected += primes[i % 6];
    weft::go([=] {
      for (int i = 0; i < numbers; ++i) work.send(primes[i % 6]);
      work.close();
    });
    auto closer = weft::spawn([&group, results] {
      group.wait();
      results.close();
    });
    int n = 0;
    long sum = 0;
    for (int v : results) {
      ++n;
      sum += v;
    }
    closer.get();
    CHECK(n == numbers);
    CHECK(sum == expected);
  });
}

TEST_CASE("TestChanSendInterface", "[go-test]") {
  // Values behind a pointer to a base class, sent with and without a receiver.
  struct shape {
    virtual ~shape() = default;
    virtual int corners() const = 0;
  };
  struct square : shape {
    int corners() const override { return 4; }
  };
  weft::run([] {
    weft::chan<std::unique_ptr<shape>> c(1);
    c.send(std::make_unique<square>());
    CHECK(select(on_send(c, std::make_unique<square>()), weft::on_default([] {})) == 1);
    CHECK((*c.recv())->corners() == 4);
  });
}

namespace {

// The value behind a sent pointer is complete when it arrives.
void send_barrier(bool use_select) {
  weft_test::notes notes;
  const int count = weft_test::scaled(10000);
  weft::run([&] {
    struct box {
      int a, b, c;
    };
    weft::chan<box*> c;
    weft::wait_group group;
    for (int outer = 0; outer < 4; ++outer) {
      group.go([&] {
        for (int i = 0; i < count; ++i) {
          auto* sent = new box{i, i + 1, i + 2};
          if (use_select) {
            select(on_send(c, sent));
          } else {
            c.send(sent);
          }
        }
      });
      group.go([&] {
        for (int i = 0; i < count; ++i) {
          std::optional<box*> got;
          if (use_select) {
            select(on_recv(c, got));
          } else {
            got = c.recv();
          }
          notes.expect((*got)->b == (*got)->a + 1 && (*got)->c == (*got)->a + 2, "torn");
          delete *got;
        }
      });
    }
    group.wait();
  });
  CHECK(notes.text() == "");
}

// Overwrites the stack below what waits there.
WEFT_TEST_OPAQUE int use_stack(int depth) {
  volatile int frame[64];
  for (int i = 0; i < 64; ++i) frame[i] = depth + i;
  return depth == 0 ? frame[0] : use_stack(depth - 1) + frame[63] - depth - 63;
}

}  // namespace

TEST_CASE("TestChanSendSelectBarrier", "[go-test]") { send_barrier(true); }

TEST_CASE("TestChanSendBarrier", "[go-test]") { send_barrier(false); }

TEST_CASE("TestShrinkStackDuringBlockedSend", "[go-test]") {
  // Deep calls between sends that wait; weft's stacks do not move, but what they held is overwritten.
  const int n = 100;
  weft::run([] {
    weft::chan<int> c;
    auto sender = weft::spawn([c] {
      int sum = 0;
      for (int i = 0; i < n; ++i) {
        c.send(i);
        sum += use_stack(20);
      }
      return sum;
    });
    bool in_order = true;
    for (int i = 0; i < n; ++i) {
      in_order = c.recv() == i && in_order;
      weft_test::until_parked(i + 1 < n ? 1 : 0);
      use_stack(30);
    }
    CHECK(in_order);
    sender.get();
  });
}

TEST_CASE("TestNoShrinkStackWhileParking", "[go-test]") {
  // Short-lived pairs, both on their way to a wait again and again while somebody looks at them.
  const int n = 10;
  const int pairs = weft_test::scaled(200);
  weft::run([&] {
    for (int i = 0; i < pairs; ++i) {
      weft::chan<int> c;
      weft::wait_group group;
      group.go([c] {
        for (int k = 0; k < n; ++k) {
          c.send(k);
          use_stack(20);
        }
      });
      group.go([c] {
        for (int k = 0; k < n; ++k) {
          weft::sleep_for(10us);
          c.recv();
        }
      });
      std::ostringstream seen;
      weft::dump(seen);
      group.wait();
    }
  });
  SUCCEED();
}

TEST_CASE("TestSelectStackAdjust", "[go-test]") {
  // What waits in a select points into its own stack; those values survive deep calls of others.
  weft::run([] {
    weft::chan<int*> c;
    weft::chan<int*> d;
    weft::chan<bool> ready;
    auto waiting = weft::spawn([&] {
      int x = 42;
      std::optional<int*> got;
      for (int i = 0; i < 100; ++i) {
        ready.send(true);
        select(on_recv(c, got), on_recv(d, got));
        if (*got != &x && **got != 7) return false;
      }
      return x == 42;
    });
    int seven = 7;
    for (int i = 0; i < 100; ++i) {
      ready.recv();
      (i % 2 == 0 ? c : d).send(&seven);
    }
    CHECK(waiting.get());
  });
}

TEST_CASE("TestSelect with time-outs against partners", "[go-test]") {
  // Time-outs race with sends; nothing is lost: what was not received in time is offered again.
  const int count = weft_test::scaled(3000);
  weft::run([count] {
    weft::chan<int> c;
    auto receiver = weft::spawn([c, count] {
      std::optional<int> v;
      for (int next = 0; next < count;) {
        if (select(on_recv(c, v), on_timeout(20us)) == 0) {
          if (v != next) return false;
          ++next;
        }
      }
      return true;
    });
    for (int i = 0; i < count;) {
      if (select(on_send(c, i), on_timeout(15us)) == 0) ++i;
    }
    CHECK(receiver.get());
  });
}
