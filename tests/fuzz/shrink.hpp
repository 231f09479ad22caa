// Looks for a smaller program that fails as well.
#pragma once

#include "fuzz/execute.hpp"

namespace weft_fuzz {

struct smaller {
  program what;
  verdict_of_run result;
  unsigned attempts = 0;
};

smaller shrink(const program&, const verdict_of_run&, unsigned workers, std::uint64_t seed);

}  // namespace weft_fuzz
