#pragma once

// For tests of what follows a goroutine over a switch.

#include <chrono>
#include <optional>

#include <weft/weft.hpp>

#include "support/scale.hpp"

namespace weft_test {

// Every way to switch, in turn. The numbers of the rounds differ, so goroutines interleave.
inline void wait_somehow(int round) {
  static const weft::chan<int> never;
  switch (round % 4) {
    case 0: weft::yield(); break;
    case 1: weft::sleep_for(std::chrono::microseconds(round % 50)); break;
    case 2: {
      std::optional<int> nothing;
      never.recv_for(nothing, std::chrono::microseconds(round % 30));
      break;
    }
    default: weft::spawn([] { weft::yield(); }).wait();
  }
}

// Many at once, on the workers that ctest asks for and on eight.
template <class F>
void many(F f) {
  for (const unsigned workers : {0u, 8u}) {
    weft::run({.workers = workers}, [&] {
      weft::wait_group group;
      const int n = int(weft_test::scaled(2000)) + 10;
      for (int i = 0; i < n; ++i) group.go([&, i] { f(i); });
      group.wait();
    });
  }
}

}  // namespace weft_test
