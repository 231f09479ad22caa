// TCP.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <weft/coro.hpp>
#include <weft/io.hpp>
#include <weft/net/address.hpp>

namespace weft {

/// A connection. Reads, writes and closes as a file_descriptor; TCP_NODELAY is on, as in Go.
class tcp_stream : public file_descriptor {
 public:
  /// Owns nothing.
  tcp_stream() noexcept = default;
  /// Takes over a socket that is connected already, as it is.
  explicit tcp_stream(int fd) noexcept : file_descriptor(fd) {}

  /// Waits until the connection stands. At the limit, or when cancelled, the half-open socket is closed.
  static tcp_stream connect(const socket_address& to, wait_limit limit = {});
  /// Looks the host up and tries its addresses in turn. The limit is one for all of it, and each
  /// address gets an equal share of what is left of it, so that one that does not answer leaves time
  /// for the next.
  /// @throws std::system_error with the last address's error and a message that tells of each; what
  ///         resolve() throws.
  static tcp_stream connect(std::string host, std::uint16_t port, wait_limit limit = {});

  /// For coroutines: `co_await tcp_stream::async_connect(to, limit)`. Costs an allocation.
  static coro<tcp_stream> async_connect(socket_address to, wait_limit limit = {});
  /// The same by name.
  static coro<tcp_stream> async_connect(std::string host, std::uint16_t port, wait_limit limit = {});

  /// The other end reads to the end; this one may go on reading. Never waits.
  /// @throws std::system_error: broken_pipe if the other end has reset the connection, or both
  ///         directions have ended before.
  void close_write();
  /// Whether small writes are sent at once (the default) or collected (Nagle's algorithm).
  void no_delay(bool on);
  /// Asks the other end for a sign of life whenever nothing came for so long, and again at that
  /// interval; the system gives up after some (nine) without an answer. 0 s: off, the default.
  void keep_alive(std::chrono::seconds interval);
  /// This end's address.
  [[nodiscard]] socket_address local_address() const;
  /// The other end's address. @throws std::system_error (not_connected) once it is gone.
  [[nodiscard]] socket_address peer_address() const;
};

/// Where connections come in. Several goroutines may accept at once, and another close it.
class tcp_listener {
 public:
  /// Owns nothing; accept() throws bad_file_descriptor.
  tcp_listener() noexcept = default;
  /// Listens on an address of this host. "": on every one, IPv4 and IPv6 on one socket (IPv4 alone
  /// where the system has no IPv6); "0.0.0.0" and "::": on every one of that family. Port 0: the system
  /// picks, see local_address(). SO_REUSEADDR is on. Never waits.
  /// @throws std::system_error: address_in_use, permission_denied, ...
  tcp_listener(std::string_view ip, std::uint16_t port, int backlog = SOMAXCONN);

  /// The next connection. One that its client gave up in the queue is passed over where the system says
  /// so; on Linux it comes out, and its first read fails. While the process or
  /// the system has no descriptor left (EMFILE, ENFILE) or no memory for sockets, the connection stays
  /// in the queue and the call tries again after 1 ms, growing to 50 ms: nothing is lost, and nothing
  /// spins; a close is noticed that much later.
  tcp_stream accept(wait_limit limit = {});
  /// For coroutines: `co_await listener.async_accept(limit)`. Costs an allocation.
  coro<tcp_stream> async_accept(wait_limit limit = {});
  /// Who waits in accept() gets bad_file_descriptor. Connections in the queue are reset. A second close
  /// does nothing.
  void close() { socket_.close(); }
  /// With the port that was picked.
  [[nodiscard]] socket_address local_address() const;
  /// The descriptor's number, -1 when closed.
  [[nodiscard]] int get() const noexcept { return socket_.get(); }
  /// Whether it is open.
  explicit operator bool() const noexcept { return get() >= 0; }

 private:
  file_descriptor socket_;
};

}  // namespace weft
