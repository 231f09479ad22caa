#pragma once

// Catch2, 2.13 or 3: include this, never Catch2's own headers.
//
// Catch2's assertions are not thread safe: use them in the test's own thread or in the goroutine
// that `run` runs, and let other goroutines hand their findings over.

#include <string>

#if __has_include(<catch2/catch_test_macros.hpp>)
#include <catch2/catch_approx.hpp>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_all.hpp>
#include <catch2/matchers/catch_matchers_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

namespace weft_test {

// For REQUIRE_THAT(text, weft_test::contains("part")): the two versions name it differently.
inline auto contains(const std::string& part) {
#if __has_include(<catch2/catch_test_macros.hpp>)
  return Catch::Matchers::ContainsSubstring(part);
#else
  return Catch::Matchers::Contains(part);
#endif
}

}  // namespace weft_test
