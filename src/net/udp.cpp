// Datagrams.
//
// A socket for both families takes IPv6 addresses only: those of IPv4 are mapped on their way in, and
// come back as IPv4 (socket_address).
// Proved by: tests/conformance/net_udp_test.cpp.
#include "weft/net/udp.hpp"

#include <netinet/in.h>

#include <cerrno>
#include <cstring>

#include "net/fail.hpp"
#include "net/socket.hpp"

namespace weft {

using namespace detail;

namespace {

sockaddr_in6 mapped(const socket_address& v4) noexcept {
  sockaddr_in from{};
  std::memcpy(&from, v4.data(), sizeof from);
  sockaddr_in6 to{};
  to.sin6_family = AF_INET6;
  to.sin6_port = from.sin_port;
  to.sin6_addr.s6_addr[10] = 0xff;
  to.sin6_addr.s6_addr[11] = 0xff;
  std::memcpy(&to.sin6_addr.s6_addr[12], &from.sin_addr, sizeof from.sin_addr);
  return to;
}

}  // namespace

udp_socket::udp_socket(std::string_view ip, std::uint16_t port)
    : socket_(make_bound_socket(ip, port, SOCK_DGRAM, "udp_socket")) {
  int family = 0;
  socklen_t size = sizeof family;
  is_v6_ = getsockopt(socket_.get(), SOL_SOCKET, SO_DOMAIN, &family, &size) == 0 && family == AF_INET6;
}

void udp_socket::send_to(std::span<const std::byte> datagram, const socket_address& to,
                         wait_limit limit) {
  descriptor_use use(socket_, "udp_socket::send_to");
  const bool map = is_v6_ && to.data()->sa_family == AF_INET;
  const sockaddr_in6 as_v6 = map ? mapped(to) : sockaddr_in6{};
  const sockaddr* address = map ? reinterpret_cast<const sockaddr*>(&as_v6) : to.data();
  const socklen_t size = map ? sizeof as_v6 : to.size();
  try {
    use.until_done(true, limit, [&] {
      return result_of(::sendto(use.fd, datagram.data(), datagram.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                                address, size));
    });
  } catch (const std::system_error& e) {
    throw std::system_error(e.code(), "weft::udp_socket::send_to " + to.to_string());
  }
}

std::pair<std::size_t, socket_address> udp_socket::receive_from(std::span<std::byte> into,
                                                                wait_limit limit) {
  descriptor_use use(socket_, "udp_socket::receive_from");
  sockaddr_storage storage{};
  socklen_t size = 0;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  const std::size_t n = use.until_done(false, limit, [&] {
    size = sizeof storage;
    return result_of(::recvfrom(use.fd, into.data(), into.size(), MSG_DONTWAIT, address, &size));
  });
  return {n, socket_address::from(address, size)};
}

socket_address udp_socket::local_address() const {
  return address_of(socket_, &getsockname, "udp_socket::local_address");
}

}  // namespace weft
