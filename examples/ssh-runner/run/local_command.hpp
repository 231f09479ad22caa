#pragma once

#include "run/transport.hpp"

namespace ssh_runner {

// Runs the script here, once for each host, as a process group of its own: all but SSH can be tried
// without a server. SSH_RUNNER_HOST tells them apart.
class local_transport : public transport {
 public:
  explicit local_transport(const script_settings& asked) : launcher_(asked) {}
  std::unique_ptr<running_command> start(const planned_host& host, attempt& a) override;

 private:
  launcher launcher_;
};

}  // namespace ssh_runner
