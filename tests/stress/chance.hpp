// Random choices that a failure can repeat: WEFT_STRESS_SEED sets the first seed. It is printed, so
// that a hang names it, too.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>

namespace weft_test {

inline std::uint64_t first_seed() {
  const char* text = std::getenv("WEFT_STRESS_SEED");
  const bool given = text != nullptr && *text != '\0';
  const std::uint64_t seed = given ? std::strtoull(text, nullptr, 10) : std::random_device()();
  std::cerr << "WEFT_STRESS_SEED=" << seed << std::endl;
  return seed;
}

class chance {
 public:
  explicit chance(std::uint64_t seed) : engine_(seed) {}
  // In [0, n).
  int below(int n) { return static_cast<int>(engine_() % static_cast<std::uint64_t>(n)); }
  bool one_in(int n) { return below(n) == 0; }
  std::uint64_t next() { return engine_(); }

 private:
  std::mt19937_64 engine_;
};

}  // namespace weft_test
