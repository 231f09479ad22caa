#include "report/exit_status.hpp"

#include <algorithm>

namespace ssh_runner {

int exit_status(const std::vector<result>& results) {
  verdict worst = verdict::ok;
  for (const result& r : results) worst = std::max(worst, r.outcome);
  switch (worst) {
    case verdict::ok: return 0;
    case verdict::not_run:
    case verdict::stopped:
    case verdict::command_failed: return 1;
    case verdict::not_connected: return 3;
    case verdict::timed_out: return 4;
    case verdict::host_key_refused: return 5;
  }
  return 70;
}

int highest_exit_status(const std::vector<result>& results) {
  int highest = 0;
  for (const result& r : results) {
    const bool good = r.outcome == verdict::ok;
    // A script that was ended may say 0 all the same.
    highest = std::max({highest, r.exit_code.value_or(good ? 0 : 255), good ? 0 : 1});
  }
  return highest;
}

}  // namespace ssh_runner
