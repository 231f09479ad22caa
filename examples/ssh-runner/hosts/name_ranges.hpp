// The way back: many host names, written shortly.
#pragma once

#include <string>
#include <vector>

namespace ssh_runner {

// "web[01-03,07],db1": names that differ in one number only stand together, sorted; what
// expand_ranges makes of it are the same names. Repetitions count once.
std::string fold_names(const std::vector<std::string>& names);

}  // namespace ssh_runner
