// What is said when all hosts have ended.
#pragma once

#include <chrono>
#include <iosfwd>
#include <vector>

#include "report/result.hpp"

namespace ssh_runner {

struct summary_style {
  bool only_failures = false;  // no word when all went well
  bool advice = true;          // what to do about a failure
};

// Counts, the slowest host, each failure with its cause; hosts that failed in the same way share a
// line.
void print_summary(std::ostream&, const std::vector<result>&, std::chrono::nanoseconds took,
                   const summary_style&);

}  // namespace ssh_runner
