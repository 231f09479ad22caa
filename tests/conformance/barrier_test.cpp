// barrier: the standard's interface.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using weft_test::until_parked;

namespace {

using plain_barrier = weft::barrier<>;
static_assert(std::is_move_constructible_v<plain_barrier::arrival_token>);
static_assert(std::is_move_assignable_v<plain_barrier::arrival_token>);
static_assert(!std::is_copy_constructible_v<plain_barrier>);
static_assert(plain_barrier::max() > 1000);

}  // namespace

TEST_CASE("in each phase the completion runs once, before anybody goes on", "[barrier]") {
  const int phases = weft_test::scaled(300);
  const int members = 6;
  std::vector<int> arrived(members, 0);  // not atomic: the barrier orders them
  int completed = 0;
  std::atomic<int> wrong = 0;
  weft::barrier b(members + 1, [&] {
    for (int a : arrived) {
      if (a != completed + 1) ++wrong;
    }
    ++completed;
  });
  // Nobody writes for the next phase before all have read.
  weft::barrier second(members + 1);
  const auto use = [&](int me) {
    for (int p = 1; p <= phases; ++p) {
      if (me < members) arrived[std::size_t(me)] = p;
      b.arrive_and_wait();
      if (completed != p) ++wrong;
      second.arrive_and_wait();
    }
  };
  std::thread outside([&] { use(members); });
  weft::run([&] {
    weft::wait_group group;
    for (int m = 0; m < members; ++m) group.go([&, m] { use(m); });
    group.wait();
  });
  outside.join();
  CHECK(completed == phases);
  CHECK(wrong == 0);
}

TEST_CASE("arrive does not wait, wait takes its token", "[barrier]") {
  weft::run([] {
    int completed = 0;
    weft::barrier b(3, [&] { ++completed; });
    auto first = b.arrive();
    auto waiting = weft::spawn([&, t = b.arrive()]() mutable { b.wait(std::move(t)); });
    until_parked(1);
    CHECK(completed == 0);
    auto last = b.arrive();
    CHECK(completed == 1);
    b.wait(std::move(last));
    b.wait(std::move(first));
    waiting.get();
    // The next phase.
    auto both = b.arrive(2);
    CHECK(completed == 1);
    b.arrive_and_wait();
    CHECK(completed == 2);
    b.wait(std::move(both));
  });
}

TEST_CASE("arrive_and_drop lowers what is expected", "[barrier]") {
  weft::run([] {
    int completed = 0;
    weft::barrier b(3, [&]() noexcept { ++completed; });
    b.arrive_and_drop();
    auto other = weft::spawn([&] {
      b.arrive_and_wait();
      b.arrive_and_drop();
    });
    b.arrive_and_wait();
    CHECK(completed == 1);
    b.arrive_and_wait();
    CHECK(completed == 2);
    other.get();
    // Alone now.
    b.arrive_and_wait();
    CHECK(completed == 3);
    b.arrive_and_drop();
    CHECK(completed == 4);
    CHECK_THROWS_AS(b.arrive_and_wait(), std::logic_error);
  });
}

TEST_CASE("misuse of a barrier throws", "[barrier]") {
  CHECK_THROWS_AS(weft::barrier<>(-1), std::invalid_argument);
  weft::barrier b(2);
  CHECK_THROWS_AS((void)b.arrive(3), std::logic_error);
  CHECK_THROWS_AS((void)b.arrive(0), std::logic_error);
  CHECK_THROWS_AS((void)b.arrive(-1), std::logic_error);
  auto token = b.arrive();
  CHECK_THROWS_AS((void)b.arrive(2), std::logic_error);
  b.arrive_and_wait();
  b.wait(std::move(token));
  weft::barrier<> none(0);
  CHECK_THROWS_AS(none.arrive_and_wait(), std::logic_error);
}

TEST_CASE("a completion may wait, and one that throws does not stop the barrier", "[barrier]") {
  weft::run([] {
    int phase = 0;
    weft::barrier b(2, [&] {
      weft::yield();
      if (++phase == 1) throw std::runtime_error("completion");
    });
    std::atomic<int> caught = 0;
    const auto arrive = [&] {
      try {
        b.arrive_and_wait();
      } catch (const std::runtime_error&) {
        ++caught;
      }
    };
    auto other = weft::spawn([&] {
      arrive();
      arrive();
    });
    arrive();
    arrive();
    other.get();
    CHECK(caught == 1);
    CHECK(phase == 2);
  });
}
