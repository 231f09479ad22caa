#include "connect/tcp.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <system_error>

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

weft::file_descriptor connect_tcp(const std::vector<socket_address>& addresses, attempt& a) {
  int last_error = 0;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    const auto share = a.left() / static_cast<int>(addresses.size() - i);
    weft::file_descriptor socket;
    int error = start_connecting(addresses[i], socket);
    if (error == EINPROGRESS) {
      bool late = false;
      a.wait(weft::on_writable(socket.get(), [] {}),
             weft::on_timeout(share, [&] { late = true; }));
      error = late ? ETIMEDOUT : pending_error(socket);
    }
    if (error == 0) return socket;
    last_error = error;
  }
  if (a.left().count() <= 0) a.fail_late();
  a.fail(std::system_category().message(last_error));
}

}  // namespace ssh_runner
