// Prints two ports of 127.0.0.1 and holds them until it is killed: one where connections are
// accepted (the kernel does that) and nobody ever speaks, one where they are refused.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace {

int bound_socket() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    std::perror("silent_listener");
    std::exit(1);
  }
  return fd;
}

int port_of(int fd) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

}  // namespace

int main() {
  const int silent = bound_socket();
  const int refused = bound_socket();
  if (listen(silent, 512) != 0) return 1;
  std::printf("%d %d\n", port_of(silent), port_of(refused));
  std::fflush(stdout);
  for (;;) pause();
}
