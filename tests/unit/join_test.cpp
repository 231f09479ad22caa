// The end of a goroutine and its handle: whoever comes first, whoever waits, whatever the result.
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <weft/weft.hpp>

#include "conformance/collect.hpp"
#include "stress/chance.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

namespace {

// Counts how many of its kind exist.
struct counted {
  static inline std::atomic<int> alive = 0;
  int value = 0;
  explicit counted(int v) : value(v) { ++alive; }
  counted(counted&& other) noexcept : value(other.value) { ++alive; }
  ~counted() { --alive; }
};

struct bad_move {
  int moves_left;
  explicit bad_move(int n) : moves_left(n) { ++counted::alive; }
  bad_move(bad_move&& other) : moves_left(other.moves_left - 1) {
    if (moves_left < 0) throw std::runtime_error("moved too often");
    ++counted::alive;
  }
  ~bad_move() { --counted::alive; }
};

struct alignas(128) aligned {
  std::array<char, 128> bytes{};
};

}  // namespace

TEST_CASE("a handle dropped before, during or after the end") {
  const std::size_t rounds = weft_test::scaled(5000);
  std::atomic<std::size_t> ran = 0;
  const weft_test::chance seeded(weft_test::first_seed());
  weft::run([&] {
    weft_test::chance pick = seeded;
    weft::wait_group group;
    for (std::size_t i = 0; i < rounds; ++i) {
      group.add(1);
      auto handle = weft::spawn([&, value = counted(int(i)), yields = pick.below(3)]() mutable {
        for (int n = yields; n > 0; --n) weft::yield();
        ++ran;
        group.done();
        return std::move(value);
      });
      switch (pick.below(4)) {
        case 0: break;  // before it starts, most likely
        case 1: weft::yield(); break;
        case 2: while (!handle.done()) weft::yield(); break;
        default: CHECK(handle.get().value == int(i));
      }
    }
    group.wait();
  });
  CHECK(ran == rounds);
  CHECK(counted::alive == 0);
}

TEST_CASE("goroutines and threads wait for one end together") {
  constexpr int waiting = 12;
  weft::run([&] {
    for (std::size_t round = 0; round < weft_test::scaled(100) + 2; ++round) {
      weft::chan<int> go_on;
      const auto handle = weft::spawn([go_on] { return go_on.recv().value(); });
      std::atomic<int> not_done = 0;
      weft::wait_group group;
      for (int i = 0; i < waiting; ++i) {
        group.go([&] {
          handle.wait();
          not_done += !handle.done();
        });
      }
      std::vector<std::thread> threads;
      for (int i = 0; i < 2; ++i) {
        threads.emplace_back([&] {
          handle.wait();
          not_done += !handle.done();
        });
      }
      // Every second time all the goroutines stand in the list; else the end races with them.
      if (round % 2 == 0) weft_test::until_parked(waiting + 1);
      go_on.send(7);
      handle.wait();
      group.wait();
      for (auto& t : threads) t.join();
      CHECK(not_done == 0);
    }
  });
}

TEST_CASE("waits for a goroutine of another runtime end with their own run, others stay") {
  weft::runtime other({.workers = 2});
  for (std::size_t round = 0; round < weft_test::scaled(50) + 1; ++round) {
    weft::chan<void> go_on;
    std::optional<weft::join_handle<int>> handle;
    other.run([&] {
      handle.emplace(weft::spawn([go_on] {
        go_on.recv();
        return 5;
      }));
    });
    std::atomic<int> unwound = 0;
    std::atomic<int> got_through = 0;
    std::thread outside([&] {
      handle->wait();
      ++got_through;
    });
    weft::run([&] {
      for (int i = 0; i < 5; ++i) {
        weft::go([&] {
          const weft_test::at_end count([&] { ++unwound; });
          handle->wait();
          ++got_through;
        });
      }
      weft_test::until_parked(5);
      // Every second time the two ends race.
      if (round % 2 == 0) go_on.close();
    });
    CHECK(unwound == 5);
    if (round % 2 != 0) go_on.close();
    CHECK(handle->get() == 5);
    outside.join();
    CHECK(got_through >= 1);
    if (round % 2 != 0) CHECK(got_through == 1);
  }
}

TEST_CASE("results of all kinds come back whole") {
  weft::run([] {
    std::array<std::uint64_t, 200> large{};
    for (std::size_t i = 0; i < large.size(); ++i) large[i] = i * i;
    CHECK(weft::spawn([&] { return large; }).get() == large);

    auto handle = weft::spawn([] {
      aligned a;
      a.bytes.fill('x');
      return a;
    });
    const aligned result = handle.get();
    CHECK(reinterpret_cast<std::uintptr_t>(&result) % 128 == 0);
    CHECK(result.bytes[127] == 'x');

    int here = 1;
    int& back = weft::spawn([&]() -> int& { return here; }).get();
    CHECK(&back == &here);

    CHECK(*weft::spawn([p = std::make_unique<int>(3)]() mutable { return std::move(p); }).get() == 3);
    CHECK(weft::spawn([](std::string s) { return s + "!"; }, "text").get() == "text!");
  });
}

TEST_CASE("callables and results are destroyed, however large") {
  weft::run([] {
    for (int n = 0; n < 3; ++n) {
      std::array<char, 300> ballast{};
      auto small = weft::spawn([c = counted(n)]() mutable { return std::move(c); });
      auto large = weft::spawn([ballast, c = counted(n)]() mutable {
        ballast[0] = 1;
        return std::pair(ballast, std::move(c));
      });
      small.wait();
      large.wait();
      CHECK(counted::alive == 2);  // the results only: the callables are gone before the end
      if (n == 0) {
        CHECK(small.get().value == 0);
        CHECK(large.get().second.value == 0);
      }
    }
    CHECK(counted::alive == 0);
  });
}

TEST_CASE("what a goroutine throws, or the move of its result, leaves get") {
  weft::run([] {
    auto thrown = weft::spawn([]() -> counted { throw std::out_of_range("on purpose"); });
    CHECK_THROWS_AS(thrown.get(), std::out_of_range);
    CHECK_THROWS_AS(thrown.get(), weft::no_result);
    auto moved = weft::spawn([] { return bad_move(0); });
    CHECK_THROWS_WITH(moved.get(), "moved too often");
    CHECK(moved.done());
    // The exception may be the result of the return statement's own copy.
    auto copied = weft::spawn([b = bad_move(3)]() mutable -> bad_move {
      b.moves_left = 0;
      return std::move(b);
    });
    CHECK_THROWS_WITH(copied.get(), "moved too often");
  });
  CHECK(counted::alive == 0);
}

TEST_CASE("handles are moved, assigned and empty") {
  weft::run([] {
    weft::join_handle<int> none;
    CHECK(none.done());
    none.wait();
    CHECK_THROWS_AS(none.get(), weft::no_result);
    auto first = weft::spawn([] { return 1; });
    auto second = weft::spawn([] { return 2; });
    first = std::move(second);  // detaches the first
    CHECK(first.get() == 2);
    CHECK_THROWS_AS(second.get(), weft::no_result);
    none = weft::spawn([] { return 3; });
    CHECK(none.get() == 3);
    CHECK_THROWS_AS(weft::spawn([] { weft::exit_goroutine(); }).get(), weft::no_result);
  });
}
