// What the kinds of sockets have in common.
#include "net/socket.hpp"

#include <netinet/in.h>

#include <cerrno>

#include "net/fail.hpp"

namespace weft::detail {

int make_socket(int family, int type, const std::string& for_what) {
  const int fd = ::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) fail_net(last_error(), for_what);
  return fd;
}

void set_option(file_descriptor& socket, int level, int option, int value, const char* what) {
  const descriptor_use use(socket, what);
  if (setsockopt(use.fd, level, option, &value, sizeof value) != 0) {
    fail_descriptor(last_error(), what, use.fd);
  }
}

void close_write_end(file_descriptor& socket, const char* what) {
  const descriptor_use use(socket, what);
  if (::shutdown(use.fd, SHUT_WR) == 0) return;
  const int error = last_error();
  fail_descriptor(error == ENOTCONN ? EPIPE : error, what, use.fd);  // the other end has reset it
}

socket_address address_of(const file_descriptor& socket,
                          int (*ask)(int, sockaddr*, socklen_t*) noexcept, const char* what) {
  // A use only counts itself, in what is mutable.
  const descriptor_use use(const_cast<file_descriptor&>(socket), what);
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  if (ask(use.fd, address, &size) != 0) fail_descriptor(last_error(), what, use.fd);
  return socket_address::from(address, size);
}

file_descriptor make_bound_socket(std::string_view ip, std::uint16_t port, int type,
                                  const char* what) {
  const bool every = ip.empty();
  const auto bind_to = [&](const socket_address& to) {
    const std::string name = std::string(what) + ' ' + to.to_string();
    const int family = to.data()->sa_family;
    file_descriptor s(make_socket(family, type, name));
    descriptor_use::note_kind(s, descriptor_kind::socket);
    const auto set = [&](int level, int option, int value) {
      if (setsockopt(s.get(), level, option, &value, sizeof value) != 0) fail_net(last_error(), name);
    };
    if (family == AF_INET6) set(IPPROTO_IPV6, IPV6_V6ONLY, every ? 0 : 1);
    // Without it a server that was ended could not begin again for a minute. For UDP it would let two
    // have the same port.
    if (type == SOCK_STREAM) set(SOL_SOCKET, SO_REUSEADDR, 1);
    if (type == SOCK_DGRAM) set(SOL_SOCKET, SO_BROADCAST, 1);
    if (::bind(s.get(), to.data(), to.size()) != 0) fail_net(last_error(), name);
    return s;
  };
  if (!every) return bind_to(socket_address(ip, port));
  try {
    return bind_to(socket_address("::", port));
  } catch (const std::system_error& e) {
    // A system without IPv6, or where it is switched off.
    if (e.code() != std::errc::address_family_not_supported &&
        e.code() != std::errc::address_not_available) {
      throw;
    }
  }
  return bind_to(socket_address("0.0.0.0", port));
}

}  // namespace weft::detail
