// What starts commands: over SSH, or on this machine.
#pragma once

#include <memory>

#include "connect/attempt.hpp"
#include "connect/connector.hpp"
#include "plan/plan.hpp"
#include "run/running_command.hpp"
#include "script/launch.hpp"

namespace ssh_runner {

class transport {
 public:
  transport() = default;
  transport(const transport&) = delete;
  transport& operator=(const transport&) = delete;
  virtual ~transport() = default;

  // For many goroutines at once. Throws failure.
  virtual std::unique_ptr<running_command> start(const planned_host& host, attempt& a) = 0;
};

class ssh_transport : public transport {
 public:
  // `ctx` ends the connections to jump hosts.
  ssh_transport(const settings& asked, std::string agent_path, unsigned handshakes_at_once,
                fair_clock& clock, const weft::context& ctx)
      : connector_(std::move(agent_path), handshakes_at_once, clock, ctx),
        launcher_(asked.script),
        by_sudo_(asked.script.sudo) {}

  std::unique_ptr<running_command> start(const planned_host& host, attempt& a) override;

 private:
  connector connector_;
  launcher launcher_;
  bool by_sudo_;
};

}  // namespace ssh_runner
