// One host, from its name to the end of its command.
#pragma once

#include <memory>
#include <weft/weft.hpp>

#include "output/printer.hpp"
#include "connect/resolver.hpp"
#include "run/result.hpp"
#include "plan/plan.hpp"
#include "settings/settings.hpp"

namespace ssh_runner {

// What all hosts share.
struct shared_state {
  shared_state(const settings& asked, unsigned handshakes_at_once)
      : times(asked.times),
        script(std::make_shared<const std::string>(asked.script.text)),
        handshakes(handshakes_at_once) {}

  const time_settings times;
  const std::shared_ptr<const std::string> script;
  resolver names;
  // Bounds the handshakes under way: they compute, and --timeout must not run while one of them
  // waits for the CPU.
  weft::chan<void> handshakes;
};

// What goes wrong stands in the result.
result run_on(const planned_host& host, shared_state& shared, const weft::send_chan<text_block>& printer);

}  // namespace ssh_runner
