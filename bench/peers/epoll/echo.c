/* The least that an echo server can do: an epoll loop a thread, no tasks, no timers.
 *
 *   epoll-peer echo WORKERS 0
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static int listener;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

/* Connections stay with the thread that has accepted them. */
static void *serve(void *unused) {
  (void)unused;
  const int poll = epoll_create1(EPOLL_CLOEXEC);
  if (poll < 0) fail("epoll_create1");
  struct epoll_event want = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.fd = listener};
  if (epoll_ctl(poll, EPOLL_CTL_ADD, listener, &want) != 0) fail("epoll_ctl");
  struct epoll_event ready[64];
  char buffer[4096];
  for (;;) {
    const int n = epoll_wait(poll, ready, 64, -1);
    if (n < 0 && errno != EINTR) fail("epoll_wait");
    for (int i = 0; i < n; ++i) {
      const int fd = ready[i].data.fd;
      if (fd == listener) {
        const int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (connection < 0) continue;
        const int on = 1;
        setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = connection};
        if (epoll_ctl(poll, EPOLL_CTL_ADD, connection, &event) != 0) fail("epoll_ctl");
        continue;
      }
      const ssize_t got = read(fd, buffer, sizeof buffer);
      if (got > 0) {
        if (write(fd, buffer, (size_t)got) != got) close(fd); /* 64 bytes always fit */
      } else if (got == 0 || errno != EAGAIN) {
        close(fd);
      }
    }
  }
  return NULL;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  if (strcmp(argv[1], "echo") != 0) return 3;
  listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listener < 0) fail("socket");
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  if (bind(listener, (struct sockaddr *)&address, size) != 0) fail("bind");
  if (listen(listener, SOMAXCONN) != 0) fail("listen");
  if (getsockname(listener, (struct sockaddr *)&address, &size) != 0) fail("getsockname");
  printf("port %d\n", ntohs(address.sin_port));
  fflush(stdout);
  pthread_t thread;
  for (int i = 1; i < atoi(argv[2]); ++i) {
    if (pthread_create(&thread, NULL, serve, NULL) != 0) fail("pthread_create");
  }
  serve(NULL);
  return 0;
}
