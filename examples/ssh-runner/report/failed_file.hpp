#pragma once

#include <string>
#include <vector>

#include "plan/plan.hpp"
#include "report/result.hpp"

namespace ssh_runner {

// Writes the hosts that are not ok, those included whose turn did not come, as a hosts file. Throws
// std::system_error.
void write_failed_file(const std::string& file, const plan& planned,
                       const std::vector<result>& results);

}  // namespace ssh_runner
