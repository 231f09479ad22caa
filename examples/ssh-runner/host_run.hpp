// One host, from its name to the end of its command.
#pragma once

#include <memory>
#include <weft/weft.hpp>

#include "printer.hpp"
#include "resolver.hpp"
#include "result.hpp"
#include "settings.hpp"

namespace ssh_runner {

// What all hosts share.
struct shared_state {
  explicit shared_state(settings s, unsigned handshakes_at_once)
      : asked(std::move(s)), handshakes(handshakes_at_once) {}

  const settings asked;
  resolver names;
  // Bounds the handshakes under way: they compute, and --timeout must not run while one of them
  // waits for the CPU.
  weft::chan<void> handshakes;
};

// What goes wrong stands in the result.
result run_on(const target& host, shared_state& shared, const weft::send_chan<text_block>& printer);

}  // namespace ssh_runner
