// How much stack goroutines use, by their names.
#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/opaque.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <algorithm>
#include <cstddef>
#include <iostream>
#include <sstream>
#include <string>

namespace {

constexpr std::size_t kib = 1024;
// Frames are larger there, and what is around them, too; and without the optimizer.
#if defined(__OPTIMIZE__)
constexpr bool optimized = true;
#else
constexpr bool optimized = false;
#endif
constexpr std::size_t blur =
    (weft_test::under_asan || weft_test::under_tsan ? 40 : optimized ? 8 : 24) * kib;

// Uses so many bytes of stack, and some more. Not by a sanitizer's own, which may lie elsewhere.
WEFT_TEST_NO_ASAN WEFT_TEST_OPAQUE int use_stack(std::size_t bytes) {
  volatile char frame[1024];
  for (std::size_t i = 0; i < sizeof frame; i += 64) frame[i] = 1;
  return bytes <= sizeof frame ? frame[0] : use_stack(bytes - sizeof frame) + frame[64];
}

// One page after the other, and nothing but zeros in them.
WEFT_TEST_NO_ASAN WEFT_TEST_OPAQUE int use_stack_for_zeros() {
  volatile char frame[16 * kib];
  for (std::size_t i = 0; i < sizeof frame; ++i) frame[i] = 0;
  return frame[0];
}

weft::stack_mark mark_of(const std::string& name) {
  for (auto& m : weft::stack_marks()) {
    if (m.name == name) return m;
  }
  return {};
}

constexpr std::size_t size = 256 * kib;

void named(const std::string& name, std::size_t bytes) {
  weft::spawn([&] {
    weft::this_goroutine::name(name);
    use_stack(bytes);
    weft::yield();
  }).wait();
}

}  // namespace

TEST_CASE("the mark of a name is what the deepest has used, whatever was on its stack before",
          "[stack_marks]") {
  for (const unsigned workers : {1u, 0u}) {
    const std::string of = "/" + std::to_string(workers);
    weft::run({.workers = workers, .stack_size = size, .measure_stacks = true}, [&] {
      for (int i = 0; i < 10; ++i) {
        named("deep" + of, 200 * kib);
        named("small" + of, 1);
        named("middle" + of, std::size_t(i + 1) * 10 * kib);
      }
      // One after the other on one stack.
      weft::wait_group group;
      for (int i = 0; i < 20; ++i) {
        group.go([&, i] {
          weft::this_goroutine::name((i % 2 == 0 ? "even" : "odd") + of);
          use_stack(i % 2 == 0 ? 150 * kib : 1);
        });
      }
      group.wait();
    });
    const auto within = [&](const std::string& name, std::size_t bytes, std::size_t goroutines) {
      const weft::stack_mark m = mark_of(name + of);
      CAPTURE(name, m.most);
      CHECK(m.goroutines == goroutines);
      CHECK(m.size == size);
      CHECK(m.most >= bytes);
      CHECK(m.most <= bytes + blur);
    };
    within("deep", 200 * kib, 10);
    within("small", 0, 10);
    within("middle", 100 * kib, 10);
    within("even", 150 * kib, 10);
    within("odd", 0, 10);
  }
}

TEST_CASE("goroutines that are alive are measured where they are", "[stack_marks]") {
  weft::run({.stack_size = size, .measure_stacks = true}, [] {
    weft::chan<void> end;
    auto waits = weft::spawn([&] {
      weft::this_goroutine::name("alive");
      use_stack(100 * kib);
      end.recv();
    });
    while (mark_of("alive").most < 100 * kib) weft::yield();
    CHECK(mark_of("alive").goroutines == 1);
    CHECK(mark_of("alive").most <= 100 * kib + blur);
    end.send();
    waits.wait();
  });
  CHECK(mark_of("alive").goroutines == 1);
}

TEST_CASE("pages of zeros count", "[stack_marks]") {
  weft::run({.stack_size = size, .measure_stacks = true}, [] {
    weft::this_goroutine::name("zeros");
    use_stack_for_zeros();
  });
  CHECK(mark_of("zeros").most >= 16 * kib);
  CHECK(mark_of("zeros").most <= 20 * kib + blur);
}

TEST_CASE("nothing is measured unless asked for", "[stack_marks]") {
  weft::run([] { named("not measured", 1); });
  CHECK(mark_of("not measured").goroutines == 0);
}

TEST_CASE("marks as text, the highest first", "[stack_marks]") {
  weft::run({.stack_size = size, .measure_stacks = true}, [] {
    named("text, much", 130 * kib);
    named("text, less", 60 * kib);
  });
  std::ostringstream out;
  weft::dump_stack_marks(out);
  const std::string text = out.str();
  CHECK_THAT(text, weft_test::contains(" of 262144 bytes: \"text, much\", 1 goroutine\n"));
  CHECK(text.find("text, much") < text.find("text, less"));
  const auto marks = weft::stack_marks();
  CHECK(std::is_sorted(marks.begin(), marks.end(),
                       [](const auto& a, const auto& b) { return a.most > b.most; }));
}

namespace {

WEFT_CHILD_CASE("stack-marks-environment") {
  weft::run([] { named("by the environment", 1); });
  weft::dump_stack_marks(std::cout);
}

WEFT_CHILD_CASE("stack-marks-many-names") {
  weft::run({.measure_stacks = true}, [] {
    for (int i = 0; i < 1100; ++i) named("number " + std::to_string(i), 1);
  });
  std::size_t goroutines = 0;
  for (const auto& m : weft::stack_marks()) goroutines += m.goroutines;
  std::cout << weft::stack_marks().size() << " names, " << goroutines << " goroutines";
}

}  // namespace

TEST_CASE("stacks are measured if the environment asks for it", "[stack_marks]") {
  const auto child =
      weft_test::run_child("stack-marks-environment", {.env = {"WEFT_MEASURE_STACKS=1"}});
  CHECK_THAT(child.out, weft_test::contains("\"by the environment\", 1 goroutine\n"));
  CHECK_THAT(child.out, weft_test::contains("those without a name, 1 goroutine\n"));
}

TEST_CASE("a thousand names are kept, the others together", "[stack_marks]") {
  const auto child = weft_test::run_child("stack-marks-many-names");
  CHECK(child.out == "1001 names, 1101 goroutines");
}
