#pragma once

// How much smaller a test has to be under a sanitizer or Valgrind, or where every switch moves.

#include <cstddef>
#include <cstdlib>
#include <string_view>

#if defined(__SANITIZE_THREAD__)
#define WEFT_TEST_TSAN 1
#elif defined(__SANITIZE_ADDRESS__)
#define WEFT_TEST_ASAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WEFT_TEST_TSAN 1
#elif __has_feature(address_sanitizer)
#define WEFT_TEST_ASAN 1
#endif
#endif

#if defined(WEFT_TEST_VALGRIND)  // the build says so
#define WEFT_TEST_SLOW_FACTOR 40
#elif defined(WEFT_TEST_TSAN)
#define WEFT_TEST_SLOW_FACTOR 50
#elif defined(WEFT_TEST_ASAN)
#define WEFT_TEST_SLOW_FACTOR 10
#elif defined(WEFT_FORCE_MIGRATION)  // each switch waits for another thread
#define WEFT_TEST_SLOW_FACTOR 8
#else
#define WEFT_TEST_SLOW_FACTOR 1
#endif

namespace weft_test {

inline constexpr bool under_tsan = WEFT_TEST_SLOW_FACTOR == 50;
inline constexpr bool under_asan = WEFT_TEST_SLOW_FACTOR == 10;
inline constexpr bool under_valgrind = WEFT_TEST_SLOW_FACTOR == 40;

// Whether every switch moves: then each waits for another thread.
inline bool moves_by_force() {
#if defined(WEFT_FORCE_MIGRATION)
  const char* text = std::getenv("WEFT_FORCE_MIGRATION");
  return text == nullptr || std::string_view(text) != "0";
#else
  return false;
#endif
}

// n, n/8 where every switch moves, n/10 under ASan, n/40 under Valgrind, n/50 under TSan; at least 1.
constexpr std::size_t scaled(std::size_t n) {
  const std::size_t m = n / WEFT_TEST_SLOW_FACTOR;
  return m > 0 ? m : 1;
}

}  // namespace weft_test
