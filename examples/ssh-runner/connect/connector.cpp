#include "connect/connector.hpp"

#include "connect/login.hpp"
#include "connect/tcp.hpp"

namespace ssh_runner {

std::unique_ptr<session> connector::connect(const endpoint& to, attempt& a) {
  weft::file_descriptor socket = to.via ? jumps_.open(*to.via, to.address, to.port, a) : dial(to, a);
  auto on = std::make_unique<session>(std::move(socket), to, host_keys_.types(to), algorithms_, a);
  on->await_greeting(a);
  a.enter_handshake(handshakes_);
  on->handshake(a);
  host_keys_.check(*on, to, a);
  log_in(*on, to, agent_, a);
  a.leave_handshake();
  return on;
}

weft::file_descriptor connector::dial(const endpoint& to, attempt& a) {
  a.enter(phase::resolve);
  auto addresses = names_.look_up(to.address, to.port, a);
  const auto is_other = [&](const socket_address& address) {
    const int family = address.data()->sa_family;
    return (to.family == ip_family::v4 && family != AF_INET) ||
           (to.family == ip_family::v6 && family != AF_INET6);
  };
  std::erase_if(addresses, is_other);
  if (addresses.empty()) a.fail("it has no address of that kind (-4, -6)");
  a.enter(phase::connect);
  return connect_tcp(addresses, a);
}

}  // namespace ssh_runner
