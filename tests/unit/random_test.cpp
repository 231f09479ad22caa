// The small generator: in range, uniform, and different for neighbouring seeds.
#include "base/random.hpp"

#include <cstdint>
#include <set>
#include <vector>

#include "support/catch.hpp"

using weft::detail::small_random;

namespace {

// Pearson's statistic over n classes; its mean is n - 1 and its deviation sqrt(2 (n - 1)).
double chi_squared(const std::vector<int>& counts, int draws) {
  const double expected = double(draws) / double(counts.size());
  double sum = 0;
  for (const int c : counts) sum += (c - expected) * (c - expected) / expected;
  return sum;
}

}  // namespace

TEST_CASE("below is uniform") {
  // The seeds are fixed, so the outcome is, too. Six deviations: not by chance.
  for (const std::uint32_t n : {2u, 3u, 5u, 8u, 61u, 100u}) {
    for (const std::uint64_t seed : {0ull, 1ull, 42ull, ~0ull}) {
      small_random random(seed);
      constexpr int draws = 100'000;
      std::vector<int> counts(n);
      for (int i = 0; i < draws; ++i) ++counts.at(random.below(n));
      const double deviation = 6 * 1.42 * (n < 3 ? 1.5 : double(n) / 1.5);
      CAPTURE(n, seed);
      CHECK(chi_squared(counts, draws) < n - 1 + deviation);
    }
  }
}

TEST_CASE("pairs of draws are uniform, too") {
  constexpr std::uint32_t n = 8;
  constexpr int draws = 200'000;
  small_random random(7);
  std::vector<int> counts(n * n);
  for (int i = 0; i < draws; ++i) {
    const std::uint32_t first = random.below(n);
    ++counts.at(first * n + random.below(n));
  }
  CHECK(chi_squared(counts, draws) < 63 + 6 * 11.3);
}

TEST_CASE("the first draws of neighbouring seeds are uniform") {
  // As workers are seeded: first seed plus index.
  constexpr std::uint32_t n = 16;
  constexpr int draws = 64'000;
  std::vector<int> counts(n);
  for (int i = 0; i < draws; ++i) ++counts.at(small_random(1000 + std::uint64_t(i)).below(n));
  CHECK(chi_squared(counts, draws) < 15 + 6 * 5.5);
}

TEST_CASE("equal seeds repeat, neighbouring ones do not") {
  const auto draws_of = [](std::uint64_t seed) {
    small_random random(seed);
    std::vector<std::uint32_t> draws;
    for (int i = 0; i < 32; ++i) draws.push_back(random.below(1'000'000));
    return draws;
  };
  CHECK(draws_of(5) == draws_of(5));
  std::set<std::vector<std::uint32_t>> all;
  for (std::uint64_t seed = 0; seed < 100; ++seed) all.insert(draws_of(seed));
  CHECK(all.size() == 100);
}

TEST_CASE("the edges of the range") {
  small_random random(3);
  bool only_zero = true;
  bool high = false;
  for (int i = 0; i < 1000; ++i) {
    only_zero = only_zero && random.below(1) == 0;
    high = high || random.below(UINT32_MAX) > UINT32_MAX / 2;
  }
  CHECK(only_zero);
  CHECK(high);
}
