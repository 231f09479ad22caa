// select: uniform choice, duplicates, selects that meet themselves and each other.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <optional>
#include <set>
#include <thread>
#include <vector>

using weft::on_default;
using weft::on_recv;
using weft::on_send;
using weft::select;

namespace {

// Pearson's sum for a uniform expectation.
template <std::size_t N>
double chi_square(const std::array<int, N>& counts) {
  double total = 0;
  for (int c : counts) total += c;
  const double expected = total / N;
  double sum = 0;
  for (int c : counts) sum += (c - expected) * (c - expected) / expected;
  return sum;
}

// Beyond these one test in 10^7 would fail by chance, with so many degrees of freedom.
constexpr double limit_1 = 28.4;
constexpr double limit_3 = 35.4;
constexpr double limit_7 = 45.7;

}  // namespace

TEST_CASE("the choice among ready cases is uniform", "[select][fair]") {
  const int rounds = weft_test::scaled(80000);
  auto eight = [rounds] {
    std::vector<weft::chan<int>> c;
    for (int i = 0; i < 8; ++i) {
      c.emplace_back(1);
      c.back().send(i);
    }
    std::array<int, 8> counts{};
    for (int r = 0; r < rounds; ++r) {
      std::size_t i = select(on_recv(c[0]), on_recv(c[1]), on_recv(c[2]), on_recv(c[3]),
                             on_recv(c[4]), on_recv(c[5]), on_recv(c[6]), on_recv(c[7]));
      ++counts[i];
      c[i].send(0);
    }
    return counts;
  };
  auto counts = weft::run(eight);
  CAPTURE(counts);
  CHECK(chi_square(counts) < limit_7);
  counts = eight();  // in a plain thread
  CHECK(chi_square(counts) < limit_7);
  counts = weft::run({.workers = 1, .seed = 12345}, eight);
  CHECK(chi_square(counts) < limit_7);
}

TEST_CASE("uniform over sends, receives and closed channels that are ready", "[select][fair]") {
  const int rounds = weft_test::scaled(40000);
  auto counts = weft::run([rounds] {
    weft::chan<int> full(1);
    weft::chan<int> room(1);
    weft::chan<int> closed;
    weft::chan<int> never;
    weft::chan<int> also_room(1);
    full.send(1);
    closed.close();
    std::array<int, 4> counts{};
    for (int r = 0; r < rounds; ++r) {
      switch (select(on_recv(never), on_recv(full), on_send(never, 1), on_send(room, 1),
                     on_recv(closed), on_send(also_room, 2))) {
        case 1:
          ++counts[0];
          full.send(1);
          break;
        case 3:
          ++counts[1];
          room.recv();
          break;
        case 4:
          ++counts[2];
          break;
        case 5:
          ++counts[3];
          also_room.recv();
          break;
        default:
          return std::array<int, 4>{1, 0, 0, 0};
      }
    }
    return counts;
  });
  CAPTURE(counts);
  CHECK(chi_square(counts) < limit_3);
}

TEST_CASE("uniform also among a few ready of many", "[select][fair]") {
  const int rounds = weft_test::scaled(20000);
  auto counts = weft::run([rounds] {
    std::vector<weft::chan<int>> c;
    for (int i = 0; i < 20; ++i) c.emplace_back(1);
    c[3].send(1);
    c[17].send(1);
    std::array<int, 2> counts{};
    std::vector<weft::select_case> cases;
    for (auto& x : c) cases.push_back(on_recv(x));
    for (int r = 0; r < rounds; ++r) {
      std::size_t i = select(cases);
      ++counts[i == 17 ? 1 : 0];
      c[i].send(1);
    }
    return counts;
  });
  CAPTURE(counts);
  CHECK(chi_square(counts) < limit_1);
}

TEST_CASE("the same channel several times in one select", "[select][fair]") {
  const int rounds = weft_test::scaled(20000);
  auto counts = weft::run([rounds] {
    weft::chan<int> c(1);
    std::array<int, 4> counts{};
    // Sends and receives are ready in turn, each in two places.
    for (int r = 0; r < rounds; ++r) {
      ++counts[select(on_send(c, 1), on_recv(c), on_send(c, 2), on_recv(c))];
    }
    return counts;
  });
  CAPTURE(counts);
  CHECK(counts[0] + counts[2] == (rounds + 1) / 2);
  CHECK(chi_square(std::array{counts[0], counts[2]}) < limit_1);
  CHECK(chi_square(std::array{counts[1], counts[3]}) < limit_1);
}

TEST_CASE("a waiting select with duplicates takes one value", "[select]") {
  weft::run([] {
    weft::chan<int> c;
    const int rounds = weft_test::scaled(500);
    std::set<std::size_t> positions;
    for (int r = 0; r < rounds; ++r) {
      std::optional<int> got;
      auto waiting = weft::spawn(
          [&] { return select(on_recv(c, got), on_recv(c, got), on_recv(c, got)); });
      weft_test::until_parked(1);
      c.send(r);
      positions.insert(waiting.get());
      REQUIRE(got == r);
      REQUIRE(c.try_send(0) == weft::chan_status::full);
    }
    if (rounds >= 50) CHECK(positions.size() == 3);
  });
}

TEST_CASE("a waiting select's cases on one channel are equally likely", "[select][fair]") {
  // Two among eight, and neither first nor last by address: where registering begins is no choice.
  const int rounds = weft_test::scaled(8000);
  auto counts = weft::run({.workers = 1}, [rounds] {
    weft::chan<int> a;
    std::vector<weft::chan<int>> quiet(6);
    std::array<int, 2> counts{};
    for (int r = 0; r < rounds; ++r) {
      auto waiting = weft::spawn([&] {
        return select(on_recv(a), on_recv(a), on_recv(quiet[0]), on_recv(quiet[1]),
                      on_recv(quiet[2]), on_recv(quiet[3]), on_recv(quiet[4]), on_recv(quiet[5]));
      });
      weft::yield();
      a.send(1);
      ++counts[waiting.get()];
    }
    return counts;
  });
  CAPTURE(counts);
  CHECK(chi_square(counts) < limit_1);
}

TEST_CASE("a select never meets itself", "[select]") {
  weft::run([] {
    weft::chan<int> c;
    for (int i = 0; i < 100; ++i) {
      REQUIRE(select(on_send(c, 1), on_recv(c), on_default([] {})) == 2);
      REQUIRE(select(on_recv(c), on_send(c, 1), on_recv(c), on_default([] {})) == 3);
    }
    // Two of them meet each other.
    auto meet = [c] {
      std::optional<int> out;
      return select(on_send(c, 1), on_recv(c, out)) == 0 ? 1 : *out;
    };
    auto a = weft::spawn(meet);
    auto b = weft::spawn(meet);
    CHECK(a.get() + b.get() == 2);
  });
}

TEST_CASE("two selects that could pair in both directions pair once", "[select]") {
  const int rounds = weft_test::scaled(5000);
  weft_test::notes notes;
  weft::run([&] {
    weft::chan<int> x;
    weft::chan<int> y;
    auto left = weft::spawn([&] {
      std::vector<int> log;
      for (int i = 0; i < rounds; ++i) {
        std::optional<int> got;
        auto which = select(on_send(x, i), on_recv(y, got));
        if (which == 1) notes.expect(got == i, "left got another round's value");
        log.push_back(int(which));
      }
      return log;
    });
    auto right = weft::spawn([&] {
      std::vector<int> log;
      for (int i = 0; i < rounds; ++i) {
        std::optional<int> got;
        auto which = select(on_recv(x, got), on_send(y, i));
        if (which == 0) notes.expect(got == i, "right got another round's value");
        log.push_back(int(which));
      }
      return log;
    });
    // The same channel was chosen on both sides in every round.
    CHECK(left.get() == right.get());
  });
  CHECK(notes.text() == "");
}

TEST_CASE("default judges all channels at one instant", "[select]") {
  // Each puts a value in its own channel and then looks into the other's: whoever looks second
  // must find one.
  const int rounds = weft_test::scaled(5000);
  int both_missed = weft::run([rounds] {
    int both_missed = 0;
    weft::chan<int> a(1);
    weft::chan<int> b(1);
    for (int i = 0; i < rounds; ++i) {
      std::atomic<int> ready = 0;
      auto look = [&](weft::chan<int> mine, weft::chan<int> other) {
        ++ready;
        while (ready < 2) weft::yield();
        mine.send(1);
        return select(on_recv(other), on_default([] {})) == 1;
      };
      auto left = weft::spawn([&] { return look(a, b); });
      auto right = weft::spawn([&] { return look(b, a); });
      bool left_missed = left.get();
      bool right_missed = right.get();
      both_missed += left_missed && right_missed;
      std::optional<int> out;
      a.try_recv(out);
      b.try_recv(out);
    }
    return both_missed;
  });
  CHECK(both_missed == 0);
}

TEST_CASE("default is not taken for a channel that always has room, or always a value", "[select]") {
  // At most one of two places is taken, and of two values one is always there, while another thread
  // sends and receives all the time.
  const int rounds = weft_test::scaled(200000);
  weft::chan<int> room(2);
  weft::chan<int> values(2);
  values.send(0);
  std::atomic<bool> stop = false;
  std::thread other([&] {
    while (!stop) {
      room.send(1);
      room.recv();
      values.send(1);
      values.recv();
    }
  });
  int missed = 0;
  for (int i = 0; i < rounds; ++i) {
    if (select(on_send(room, 2), on_default([] {})) == 0) {
      room.recv();
    } else {
      ++missed;
    }
    if (select(on_recv(values), on_default([] {})) == 0) {
      values.send(2);
    } else {
      ++missed;
    }
  }
  stop = true;
  other.join();
  CHECK(missed == 0);
}
