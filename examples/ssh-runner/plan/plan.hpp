// What is going to be done: every host with how to reach it. All files are read by then, nothing is
// contacted yet.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "plan/endpoint.hpp"
#include "settings/settings.hpp"

namespace ssh_runner {

struct planned_host {
  std::string label;  // what stands in front of its output
  std::shared_ptr<const endpoint> to;
  std::string again;       // the line of a hosts file that stands for it
  std::string left_out{};  // what of it that line cannot say: "password"; empty: nothing
};

struct plan {
  std::vector<planned_host> hosts;
  std::vector<std::string> warnings;
  std::set<std::string> password_variables;  // of our environment, with passwords of hosts
};

// Throws usage_error.
plan make_plan(const settings&);

}  // namespace ssh_runner
