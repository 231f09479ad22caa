// What is said when all hosts have ended.
#pragma once

#include <chrono>
#include <iosfwd>
#include <vector>

#include "report/result.hpp"

namespace ssh_runner {

// Counts, the slowest host, each failure with its cause and what to do about it; hosts that failed in
// the same way share a line. `only_failures`: no word when all went well.
void print_summary(std::ostream&, const std::vector<result>&, std::chrono::nanoseconds took,
                   bool only_failures);

}  // namespace ssh_runner
