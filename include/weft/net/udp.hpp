// UDP.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include <weft/io.hpp>
#include <weft/net/address.hpp>

namespace weft {

/// Sends and receives datagrams, each whole or not at all, in whatever order they come.
class udp_socket {
 public:
  /// "" takes part in IPv4 and IPv6 at once, on every address of this host. Port 0: the system picks.
  /// Broadcasts are allowed, as in Go. Never waits. @throws std::system_error
  explicit udp_socket(std::string_view ip = "", std::uint16_t port = 0);

  /// Waits only while the socket's send buffer is full.
  /// @throws std::system_error: message_size above what a datagram holds (65,507 bytes for IPv4).
  void send_to(std::span<const std::byte> datagram, const socket_address& to, wait_limit limit = {});
  /// The next datagram: how many bytes it put into `into`, and where from. What does not fit is lost,
  /// as always with UDP. A datagram may be empty.
  std::pair<std::size_t, socket_address> receive_from(std::span<std::byte> into,
                                                      wait_limit limit = {});
  /// Who waits on it gets bad_file_descriptor. A second close does nothing.
  void close() { socket_.close(); }
  /// With the port that was picked.
  [[nodiscard]] socket_address local_address() const;
  /// The descriptor's number, -1 when closed.
  [[nodiscard]] int get() const noexcept { return socket_.get(); }
  /// Whether it is open.
  explicit operator bool() const noexcept { return get() >= 0; }

 private:
  file_descriptor socket_;
  bool is_v6_ = false;
};

}  // namespace weft
