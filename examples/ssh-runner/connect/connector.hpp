// From an endpoint to a connection that is logged in.
#pragma once

#include <memory>
#include <vector>
#include <weft/weft.hpp>

#include "connect/agent.hpp"
#include "connect/host_keys.hpp"
#include "connect/jump.hpp"
#include "connect/session.hpp"

namespace ssh_runner {

// What all connections share: the agent, the host keys, the jump hosts, the places for handshakes.
// For many goroutines at once.
class connector {
 public:
  // `ctx` ends the connections to jump hosts.
  connector(std::string agent_path, unsigned handshakes_at_once, fair_clock& clock,
            const weft::context& ctx)
      : agent_(std::move(agent_path)),
        handshakes_(handshakes_at_once),
        jump_handshakes_(handshakes_at_once),
        jumps_(*this, clock, ctx) {}

  // Through its jump hosts, if it has any. Throws failure.
  std::unique_ptr<session> connect(const endpoint& to, attempt& a) {
    return connect(to, a, handshakes_);
  }
  // Jump hosts do not wait behind hosts: others wait for them, whose time goes on.
  std::unique_ptr<session> connect_to_jump_host(const endpoint& to, attempt& a) {
    return connect(to, a, jump_handshakes_);
  }

 private:
  std::unique_ptr<session> connect(const endpoint& to, attempt& a, const handshake_places& places);
  weft::file_descriptor dial(const endpoint& to, attempt& a);
  static std::vector<weft::socket_address> look_up(const endpoint& to, attempt& a);

  agent agent_;
  host_key_checker host_keys_;
  handshake_places handshakes_, jump_handshakes_;
  jump_pool jumps_;  // last: its connections use all of the above
};

}  // namespace ssh_runner
