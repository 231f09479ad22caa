#pragma once

#include <vector>

#include "report/result.hpp"

namespace ssh_runner {

// 0 ok · 1 a command failed, or hosts were left out · 3 not connected · 4 time-out · 5 host key
// refused: that of the worst host.
int exit_status(const std::vector<result>&);

// The highest exit status of a remote command; 255 if a host did not come so far, or was left out; at least
// 1 if a host failed.
int highest_exit_status(const std::vector<result>&);

}  // namespace ssh_runner
