// Short ways to write many host names.
//
//   web[01-20,30]-eth0   zero-padding is kept        r[1-2]n[1-3]   each with each
//   n[1-9/2]             every second one            [::1]:2222     an address, no range
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace ssh_runner {

// The message names the text and what is wrong with it.
class bad_pattern : public std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

// A range that gives more is a slip of the keyboard.
constexpr std::size_t most_hosts = 100'000;

// Splits at commas outside brackets, and at blanks; empty parts are left out.
std::vector<std::string> split_host_list(std::string_view text);

// All names that a pattern stands for, in order. Throws bad_pattern.
std::vector<std::string> expand_ranges(std::string_view pattern);

// '*' stands for any number of characters, '?' for one; the rest for itself.
bool matches_glob(std::string_view pattern, std::string_view name);

}  // namespace ssh_runner
