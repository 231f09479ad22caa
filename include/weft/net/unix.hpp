// Stream sockets of this machine, named by paths.
#pragma once

#include <sys/socket.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>

#include <weft/coro.hpp>
#include <weft/io.hpp>

namespace weft {

/// A connection. Reads, writes and closes as a file_descriptor.
class unix_stream : public file_descriptor {
 public:
  /// Owns nothing.
  unix_stream() noexcept = default;
  /// Takes over a socket that is connected already, as it is.
  explicit unix_stream(int fd) noexcept : file_descriptor(fd) {}

  /// Waits while the listener's queue is full: the system tells nobody when there is room again, so
  /// it asks after 1 ms, growing to 50 ms.
  /// @throws std::system_error: no_such_file_or_directory; connection_refused if nobody listens there;
  ///         filename_too_long above 107 bytes.
  static unix_stream connect(const std::filesystem::path& path, wait_limit limit = {});
  /// For coroutines: `co_await unix_stream::async_connect(path, limit)`. Costs an allocation.
  static coro<unix_stream> async_connect(std::filesystem::path path, wait_limit limit = {});
  /// Two ends that are connected with each other.
  static std::pair<unix_stream, unix_stream> pair();
  /// The other end reads to the end; this one may go on reading. Never waits.
  void close_write();
};

/// Where connections come in: see tcp_listener.
class unix_listener {
 public:
  /// Owns nothing; accept() throws bad_file_descriptor.
  unix_listener() noexcept = default;
  /// Makes the path. One that exists is never taken over, since another server may listen there:
  /// address_in_use, and its message says what to do. filename_too_long above 107 bytes.
  explicit unix_listener(std::filesystem::path path, int backlog = SOMAXCONN);
  /// The other then owns nothing. It must not be in use by a call of another goroutine.
  unix_listener(unix_listener&& other) noexcept;
  /// Closes what it has first.
  unix_listener& operator=(unix_listener&& other) noexcept;
  /// Closes it.
  ~unix_listener();

  /// As tcp_listener::accept.
  unix_stream accept(wait_limit limit = {});
  /// For coroutines: `co_await listener.async_accept(limit)`. Costs an allocation.
  coro<unix_stream> async_accept(wait_limit limit = {});
  /// Removes the path, unless another file has its name by now, and closes. Who waits in accept() gets
  /// bad_file_descriptor. A second close does nothing.
  void close();
  /// The descriptor's number, -1 when closed.
  [[nodiscard]] int get() const noexcept { return socket_.get(); }
  /// Whether it is open.
  explicit operator bool() const noexcept { return get() >= 0; }

 private:
  void remove_path() noexcept;

  file_descriptor socket_;
  std::filesystem::path path_;   // absolute
  std::atomic<bool> owns_path_{false};
  std::uint64_t device_ = 0;     // which file it made there
  std::uint64_t inode_ = 0;
};

}  // namespace weft
