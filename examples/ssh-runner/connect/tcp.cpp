#include "connect/tcp.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "run/result.hpp"

namespace ssh_runner {
namespace {

// errno must not be read on both sides of a wait within one function (another thread may go on
// after it), so each system call has its own small function that returns the error.
[[gnu::noinline]] int start_connecting(const socket_address& to, weft::file_descriptor& socket) {
  socket = weft::file_descriptor(
      ::socket(to.data()->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (socket.get() < 0) return errno;
  const int on = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return ::connect(socket.get(), to.data(), to.size) == 0 ? 0 : errno;
}

[[gnu::noinline]] int pending_error(const weft::file_descriptor& socket) {
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

}  // namespace

weft::file_descriptor connect_tcp(const std::vector<socket_address>& addresses,
                                  weft::clock::time_point deadline) {
  int last_error = 0;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    const auto now = weft::clock::now();
    const auto share = (deadline - now) / static_cast<int>(addresses.size() - i);
    weft::file_descriptor socket;
    int error = start_connecting(addresses[i], socket);
    if (error == EINPROGRESS) {
      const auto waited = weft::wait_writable(socket.get(), now + share);
      error = waited == weft::wait_status::ready ? pending_error(socket) : ETIMEDOUT;
    }
    if (error == 0) return socket;
    last_error = error;
  }
  if (weft::clock::now() >= deadline) throw failure(verdict::timed_out, phase::connect, "time-out");
  throw failure(verdict::not_connected, phase::connect, std::system_category().message(last_error));
}

}  // namespace ssh_runner
