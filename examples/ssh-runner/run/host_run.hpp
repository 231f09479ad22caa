// One host, from its name to the end of its command.
#pragma once

#include <memory>
#include <weft/weft.hpp>

#include "connect/connector.hpp"
#include "output/printer.hpp"
#include "plan/plan.hpp"
#include "report/result.hpp"

namespace ssh_runner {

// What all hosts share.
struct shared_state {
  shared_state(const settings& asked, std::string agent_path, unsigned handshakes_at_once)
      : times(asked.times),
        script(std::make_shared<const std::string>(asked.script.text)),
        connections(asked.algorithms, std::move(agent_path), handshakes_at_once, ctx) {}

  weft::context ctx;
  const time_settings times;
  const std::shared_ptr<const std::string> script;
  connector connections;
};

// What goes wrong stands in the result.
result run_on(const planned_host& host, shared_state& shared, const weft::send_chan<text_block>& printer);

}  // namespace ssh_runner
