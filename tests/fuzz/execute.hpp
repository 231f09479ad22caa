// Runs a program on weft and records what comes of each operation.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "fuzz/program.hpp"

namespace weft_fuzz {

struct verdict_of_run {
  bool failed = false;
  bool undecided = false;
  std::string why{};
  history seen{};
};

// Runs all of them at once in one runtime and judges each. `seed` decides about small delays.
std::vector<verdict_of_run> run_together(std::span<const program> programs, unsigned workers,
                                         std::uint64_t seed);

}  // namespace weft_fuzz
