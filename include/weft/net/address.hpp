// An IP address with a port.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace weft {

/// An IPv4 or IPv6 address and a port. A value; no function here waits or looks a name up.
class socket_address {
 public:
  /// `ip` as in "192.0.2.1", "2001:db8::1" or "fe80::1%eth0" (the interface by name or number).
  /// @throws std::system_error (invalid_argument) whose message says what is wrong with it.
  socket_address(std::string_view ip, std::uint16_t port);
  /// From the system's form, for other libraries' addresses. An IPv4 address mapped into IPv6, as
  /// sockets for both give, becomes one of IPv4.
  /// @throws std::system_error (address_family_not_supported) unless it is IPv4 or IPv6.
  static socket_address from(const sockaddr* address, socklen_t size);

  /// Without port and brackets: "127.0.0.1", "fe80::1%eth0".
  [[nodiscard]] std::string ip() const;
  /// "127.0.0.1:80", "[fe80::1%eth0]:80".
  [[nodiscard]] std::string to_string() const;
  /// In the host's byte order.
  [[nodiscard]] std::uint16_t port() const noexcept;
  /// For system calls: data() and size() belong together. Valid as long as this is.
  [[nodiscard]] const sockaddr* data() const noexcept;
  /// Bytes that data() points to.
  [[nodiscard]] socklen_t size() const noexcept;

  /// Same family, address, interface and port.
  friend bool operator==(const socket_address& a, const socket_address& b) noexcept;

 private:
  socket_address() noexcept : v6_{} {}
  [[nodiscard]] bool is_v6() const noexcept { return v4_.sin_family == AF_INET6; }

  union {  // both begin with the family
    sockaddr_in v4_;
    sockaddr_in6 v6_;
  };
};

}  // namespace weft
