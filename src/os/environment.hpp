// What a program is given: its environment, and the places where it may lie.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace weft::detail {

using variables = std::vector<std::pair<std::string, std::string>>;

// "NAME=value" of this process, unless `cleared`, with the variables set in it; the last of a name
// counts.
std::vector<std::string> environment_with(const variables& set, bool cleared);

// The paths that stand for the program, in the order in which they are tried: itself if it has a
// '/', else one for each part of the environment's PATH.
std::vector<std::string> places_of(const std::string& program,
                                   const std::vector<std::string>& environment);

// With the null that exec wants at the end.
std::vector<char*> pointers_to(std::vector<std::string>& words);

}  // namespace weft::detail
