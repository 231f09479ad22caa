// AddressSanitizer's detection of what is used after its function has returned: each goroutine has a
// fake stack of its own, which goes with it over every switch and from thread to thread.
#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/opaque.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#if defined(WEFT_TEST_ASAN)

#include <iostream>
#include <string_view>
#include <vector>

using weft_test::contains;
using weft_test::run_child;

namespace {

const weft_test::child_options detects{
    .env = {"ASAN_OPTIONS=detect_stack_use_after_return=1"}};

WEFT_TEST_OPAQUE int* as_it_is(int* p) { return p; }
WEFT_TEST_OPAQUE int* pointer_to_local() {
  int local[16] = {1, 2, 3};
  return as_it_is(local);
}
WEFT_TEST_OPAQUE int* pointer_to_local_after_waits() {
  int local[16] = {1, 2, 3};
  for (int i = 0; i < 100; ++i) weft::yield();
  return as_it_is(local);
}

WEFT_CHILD_CASE("use-after-return") {
  weft::run([] {
    int* gone = pointer_to_local();
    weft::yield();
    std::cout << *gone << std::endl;
  });
}

// The frame was made on one thread and is left on another, perhaps.
WEFT_CHILD_CASE("use-after-return-migrated") {
  weft::run({.workers = 4}, [] {
    weft::wait_group others;
    for (int i = 0; i < 16; ++i) {
      others.go([] {
        for (int k = 0; k < 200; ++k) weft::yield();
      });
    }
    weft::spawn([] {
      int* gone = pointer_to_local_after_waits();
      std::cout << *gone << std::endl;
    }).wait();
    others.wait();
  });
}

// Another goroutine's frame, after that one has left it and still lives.
WEFT_CHILD_CASE("use-after-return-of-another") {
  weft::run([] {
    weft::chan<int*> addresses;
    weft::chan<void> end;
    auto other = weft::spawn([&] {
      addresses.send(pointer_to_local());
      end.recv();
    });
    std::cout << **addresses.recv() << std::endl;
    end.send();
    other.wait();
  });
}

// What is allowed: another's frame while it lives, and frames that exceptions leave.
WEFT_CHILD_CASE("use-before-return") {
  weft::run([] {
    long sum = 0;
    weft::mutex lock;
    weft::wait_group group;
    for (int i = 0; i < 300; ++i) {
      group.go([&, i] {
        int local[64] = {};
        weft::wait_group inner;
        for (int k = 0; k < 4; ++k) inner.go([&, k] { as_it_is(local)[k] = i; });
        inner.wait();
        try {
          weft::yield();
          throw local[3];
        } catch (int v) {
          weft::yield();
          std::lock_guard guard(lock);
          sum += v;
        }
      });
    }
    group.wait();
    std::cout << sum << std::endl;
    weft::go([] { weft::chan<void>().recv(); });  // is unwound
    weft::yield();
  });
}

}  // namespace

TEST_CASE("a use after return is found, on whatever thread the goroutine is", "[death][asan]") {
  for (const char* name : {"use-after-return", "use-after-return-migrated",
                           "use-after-return-of-another"}) {
    CAPTURE(name);
    const auto child = run_child(name, detects);
    CHECK_THAT(child.err, contains("stack-use-after-return"));
    CHECK(child.exit_code == 1);
    // Whose frame it was: ASan knows the fake stacks of those that run.
    if (name != std::string_view("use-after-return-of-another")) {
      CHECK_THAT(child.err, contains("pointer_to_local"));
    }
  }
}

TEST_CASE("a use before the return is none", "[death][asan]") {
  const auto child = run_child("use-before-return", detects);
  CHECK(child.out == "44850\n");
  CHECK(child.err == "");
  CHECK(child.exit_code == 0);
}

#endif
