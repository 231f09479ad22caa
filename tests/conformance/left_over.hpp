// What nothing may leave behind: goroutines and timers.
#pragma once

#include <weft/weft.hpp>

#include <cstddef>

namespace weft_test {

// Returns when no goroutine but `others` and no timer is left in this runtime; hangs otherwise, and
// the watchdog then shows what is left.
inline void until_nothing_is_left(std::size_t others = 1) {
  while (weft::num_goroutines() > others || weft::stats().timers != 0) weft::yield();
}

}  // namespace weft_test
