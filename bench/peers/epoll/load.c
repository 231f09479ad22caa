/* The load for the echo servers: each connection has one message of 64 bytes under way.
 *
 *   echo-load PORT CONNECTIONS OPS
 *
 * First a quarter of the round trips without the clock, then OPS with it. Prints the time of one.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { message_size = 64 };
static int poll_fd;
static int *left; /* of the message that this descriptor waits for: bytes */

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void send_message(int fd) {
  char message[message_size];
  memset(message, 'm', sizeof message);
  left[fd] = message_size;
  if (write(fd, message, sizeof message) != sizeof message) fail("write");
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void round_trips(const int *fds, int connections, long ops) {
  long sent = 0, done = 0;
  for (; sent < ops && sent < connections; ++sent) send_message(fds[sent]);
  struct epoll_event ready[64];
  char buffer[4096];
  while (done < ops) {
    const int n = epoll_wait(poll_fd, ready, 64, -1);
    if (n < 0 && errno != EINTR) fail("epoll_wait");
    for (int i = 0; i < n; ++i) {
      const int fd = ready[i].data.fd;
      const ssize_t got = read(fd, buffer, sizeof buffer);
      if (got < 0 && errno == EAGAIN) continue;
      if (got <= 0 || got > left[fd]) fail("read");
      left[fd] -= (int)got;
      if (left[fd] != 0) continue;
      ++done;
      if (sent < ops) {
        ++sent;
        send_message(fd);
      }
    }
  }
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  const int connections = atoi(argv[2]);
  const long ops = atol(argv[3]);
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((unsigned short)atoi(argv[1])),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  poll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (poll_fd < 0) fail("epoll_create1");
  int *fds = calloc((size_t)connections, sizeof *fds);
  left = calloc((size_t)connections + 1024, sizeof *left);
  if (fds == NULL || left == NULL) fail("calloc");
  for (int i = 0; i < connections; ++i) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || fd >= connections + 1024) fail("socket");
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) fail("connect");
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
    fds[i] = fd;
  }
  round_trips(fds, connections, ops / 4);
  const double start = now();
  round_trips(fds, connections, ops);
  printf("{\"ns_per_op\":%.2f}\n", (now() - start) / (double)ops);
  return 0;
}
