#include "connect/connector.hpp"

#include <netdb.h>

#include <system_error>

#include "connect/login.hpp"

namespace ssh_runner {
namespace {

bool is_address(const std::string& text) {
  try {
    return weft::socket_address(text, 0).data() != nullptr;
  } catch (const std::system_error&) {
    return false;
  }
}

}  // namespace

std::unique_ptr<session> connector::connect(const endpoint& to, attempt& a,
                                            const handshake_places& places) {
  weft::file_descriptor socket =
      to.via ? jumps_.open(*to.via, to.address, to.port, a) : dial(to, a);
  auto on = std::make_unique<session>(std::move(socket), to, host_keys_.types(to), a);
  on->await_greeting(a);
  a.enter_handshake(places);
  on->handshake(a);
  host_keys_.check(*on, to, a);
  log_in(*on, to, agent_, a);
  a.leave_handshake();
  return on;
}

// Each address in turn, each with its share of the time that is left, so that one that is dead does
// not use it all.
weft::file_descriptor connector::dial(const endpoint& to, attempt& a) {
  a.enter(phase::resolve);
  const std::vector<weft::socket_address> addresses = look_up(to, a);
  a.enter(phase::connect);
  for (std::size_t i = 0;; ++i) {
    try {
      return a.limited(
          [&](const weft::wait_limit& limit) {
            return weft::tcp_stream::connect(addresses[i], limit);
          },
          static_cast<int>(addresses.size() - i));
    } catch (const std::system_error& error) {
      if (i + 1 == addresses.size()) a.fail(error.code().message());
    }
  }
}

std::vector<weft::socket_address> connector::look_up(const endpoint& to, attempt& a) {
  std::vector<weft::socket_address> addresses;
  try {
    addresses = a.limited([&](const weft::wait_limit& limit) {
      return weft::resolve(to.address, std::to_string(to.port), limit);
    });
  } catch (const std::system_error& error) {
    // The name server has answered: there is none. What else it may be passes.
    if (error.code() == std::error_code(EAI_NONAME, weft::resolve_category()))
      a.fail_for_good(error.code().message());
    a.fail(error.code().message());
  }
  std::erase_if(addresses, [&](const weft::socket_address& address) {
    const int family = address.data()->sa_family;
    return (to.family == ip_family::v4 && family != AF_INET) ||
           (to.family == ip_family::v6 && family != AF_INET6);
  });
  if (addresses.empty()) {
    const std::string none = "it has no address of that kind (-4, -6)";
    // A name may have one another time, as when half of the questions had no answer.
    if (is_address(to.address)) a.fail_for_good(none);
    a.fail(none);
  }
  return addresses;
}

}  // namespace ssh_runner
