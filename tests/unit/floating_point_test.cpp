// The floating-point environment follows the goroutine: how it rounds, what traps, what SSE has seen.
#include "switch/floating_point.hpp"

#include <cfenv>
#include <thread>
#include <vector>

#include <weft/weft.hpp>

#include "conformance/collect.hpp"
#include "support/catch.hpp"
#include "support/opaque.hpp"
#include "support/scale.hpp"
#include "unit/wait_somehow.hpp"

#if WEFT_HAS_FLOATING_CONTROL

using weft_test::many;
using weft_test::wait_somehow;

namespace {

// By SSE, and by the x87 unit, which has a control word of its own.
WEFT_TEST_OPAQUE double third() {
  volatile double one = 1;
  volatile double three = 3;
  return one / three;
}
WEFT_TEST_OPAQUE long double long_third() {
  volatile long double one = 1;
  volatile long double three = 3;
  return one / three;
}

WEFT_TEST_OPAQUE bool has_seen_division_by_zero() {
  constexpr std::uint32_t zero_divide = 4;
  return (weft::detail::thread_floating_control().mxcsr & zero_divide) != 0;
}
WEFT_TEST_OPAQUE void divide_by_zero() {
  volatile double zero = 0;
  [[maybe_unused]] volatile double result = 1 / zero;
}

constexpr int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};

struct thirds {
  double by_sse;
  long double by_x87;
  bool operator==(const thirds&) const = default;
};

thirds both() { return {third(), long_third()}; }

std::vector<thirds> expected() {
  std::vector<thirds> all;
  for (const int mode : modes) {
    std::fesetround(mode);
    all.push_back(both());
  }
  std::fesetround(FE_TONEAREST);
  return all;
}

struct rounding {
  explicit rounding(int mode) { std::fesetround(mode); }
  ~rounding() { std::fesetround(FE_TONEAREST); }
};

}  // namespace

TEST_CASE("the rounding mode is the goroutine's, over every wait") {
  if (weft_test::under_valgrind) return;  // whose SSE rounds one way only
  const auto results = expected();
  REQUIRE(results[1].by_sse != results[2].by_sse);
  REQUIRE(results[1].by_x87 != results[2].by_x87);
  weft_test::notes notes;
  many([&](int who) {
    notes.expect(std::fegetround() == FE_TONEAREST, "it begins with another's mode");
    std::fesetround(modes[who % 4]);
    for (int round = 0; round < 8; ++round) {
      wait_somehow(who + round);
      notes.expect(std::fegetround() == modes[who % 4], "the mode has changed");
      notes.expect(both() == results[who % 4], "the results have changed");
    }
    // It ends with its mode set: who runs next on this stack must not have it.
  });
  CHECK(notes.text() == "");
}

TEST_CASE("a goroutine that begins while another waits does not have its mode") {
  weft_test::notes notes;
  for (const unsigned workers : {1u, 2u}) {
    weft::run({.workers = workers}, [&] {
      std::fesetround(FE_UPWARD);
      std::feclearexcept(FE_ALL_EXCEPT);
      divide_by_zero();
      for (int i = 0; i < 100; ++i) {
        weft::spawn([&] {
          notes.expect(std::fegetround() == FE_TONEAREST, "it begins with its starter's mode");
          notes.expect(!has_seen_division_by_zero(), "it begins with its starter's flags");
          std::fesetround(FE_DOWNWARD);
          divide_by_zero();
        }).wait();
        // Two on one stack, one after the other.
        weft::wait_group group;
        for (int k = 0; k < 2; ++k) {
          group.go([&] {
            notes.expect(std::fegetround() == FE_TONEAREST,
                         "it begins with its predecessor's mode");
            notes.expect(!has_seen_division_by_zero(), "it begins with its predecessor's flags");
            std::fesetround(FE_TOWARDZERO);
            divide_by_zero();
          });
        }
        group.wait();
        notes.expect(std::fegetround() == FE_UPWARD, "its own mode has changed");
        notes.expect(weft_test::under_valgrind || has_seen_division_by_zero(),  // which raises none
                     "its own flags have changed");
      }
    });
  }
  CHECK(notes.text() == "");
}

TEST_CASE("what traps is the goroutine's, over every wait") {
  if (weft_test::under_valgrind) return;  // where nothing does
  weft_test::notes notes;
  many([&](int who) {
    notes.expect(fegetexcept() == 0, "it begins with another's traps");
    const int mine = who % 2 == 0 ? FE_DIVBYZERO : FE_INVALID;
    feenableexcept(mine);
    for (int round = 0; round < 8; ++round) {
      wait_somehow(who + round);
      notes.expect(fegetexcept() == mine, "the traps have changed");
    }
  });
  CHECK(notes.text() == "");
}

TEST_CASE("goroutines begin with the environment of the thread that started their runtime") {
  rounding mine(FE_DOWNWARD);
  weft_test::notes notes;
  weft::run({.workers = 4}, [&] {
    std::fesetround(FE_UPWARD);  // while the other threads are started
    weft::wait_group group;
    for (int i = 0; i < 200; ++i) {
      group.go([&, i] {
        notes.expect(std::fegetround() == FE_DOWNWARD, "another mode");
        wait_somehow(i);
        notes.expect(std::fegetround() == FE_DOWNWARD, "another mode after a wait");
      });
    }
    group.wait();
  });
  CHECK(notes.text() == "");
  CHECK(std::fegetround() == FE_DOWNWARD);
}

TEST_CASE("blocking() calls its function in the caller's environment") {
  weft_test::notes notes;
  weft::run([&] {
    for (const int mode : modes) {
      std::fesetround(mode);
      notes.expect(weft::blocking([] { return std::fegetround(); }) == mode, "another mode");
      notes.expect(std::fegetround() == mode, "the caller's mode has changed");
    }
  });
  CHECK(notes.text() == "");
}

#endif
