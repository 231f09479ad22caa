#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ssh_runner {

// What differs between two texts, with up to three lines around as in `diff -u`:
// "  same", "- only in from", "+ only in to", "  ..." where more is the same.
std::string line_diff(const std::vector<std::string_view>& from,
                      const std::vector<std::string_view>& to, bool coloured);

}  // namespace ssh_runner
