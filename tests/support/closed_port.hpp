#pragma once

// A port where nobody listens, and nobody else can as long as one of these holds it: of both families where
// there are two.

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>

#include <weft/weft.hpp>

namespace weft_test {

class closed_port {
 public:
  closed_port() : fd_(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    const int both = 0;
    if (fd_ < 0 || ::setsockopt(fd_, IPPROTO_IPV6, IPV6_V6ONLY, &both, sizeof both) != 0 ||
        !bind_to(&v6, sizeof v6)) {
      if (fd_ >= 0) ::close(fd_);
      fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      sockaddr_in v4{};
      v4.sin_family = AF_INET;
      if (!bind_to(&v4, sizeof v4)) throw std::system_error(errno, std::generic_category(), "bind");
    }
  }
  closed_port(const closed_port&) = delete;
  closed_port& operator=(const closed_port&) = delete;
  ~closed_port() { ::close(fd_); }

  std::uint16_t port() const { return port_; }
  weft::socket_address address() const { return weft::socket_address("127.0.0.1", port_); }

 private:
  bool bind_to(void* any_address, socklen_t size) {
    auto* const address = static_cast<sockaddr*>(any_address);
    if (::bind(fd_, address, size) != 0 || ::getsockname(fd_, address, &size) != 0) return false;
    port_ = weft::socket_address::from(address, size).port();
    return true;
  }

  int fd_;
  std::uint16_t port_ = 0;
};

}  // namespace weft_test
