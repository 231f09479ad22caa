// Sockets are told with each call not to wait (MSG_DONTWAIT), pipes too where the system knows how
// (RWF_NOWAIT); so it does not matter that somebody else may change O_NONBLOCK. Other descriptors in
// blocking mode are asked first (poll) and written PIPE_BUF bytes at a time, for which a pipe that is
// ready has room. A regular file never says that it would block: what the page cache cannot do at
// once is done on a thread of the blocking pool.
// Proved by: tests/conformance/descriptor_*.cpp, tests/unit/fallback_test.cpp.
#include "io/system_calls.hpp"

#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "blocking/blocking_pool.hpp"
#include "weft/runtime.hpp"

#ifndef RWF_NOSIGNAL
#define RWF_NOSIGNAL 0x00000100  // Linux 6.18: no SIGPIPE
#endif

namespace weft::detail {

namespace {

int option_of(int fd, int name) noexcept {
  int value = -1;
  socklen_t size = sizeof value;
  return getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

descriptor_kind kind_of_socket(int fd) noexcept {
  if (option_of(fd, SO_PROTOCOL) == IPPROTO_TCP) return descriptor_kind::tcp;
  const int domain = option_of(fd, SO_DOMAIN);
  if (domain == AF_INET || domain == AF_INET6) return descriptor_kind::socket;
  if (domain == AF_UNIX && option_of(fd, SO_TYPE) == SOCK_STREAM) return descriptor_kind::socket;
  return descriptor_kind::other_socket;
}

bool ready_now(int fd, short events) noexcept {
  pollfd p{fd, events, 0};
  return ::poll(&p, 1, 0) > 0;
}

bool is_unsupported(ssize_t n) noexcept { return n == -EOPNOTSUPP || n == -ENOSYS || n == -EINVAL; }

// What cannot be done at once, where this thread may block.
template <class F>
ssize_t on_blocking_thread(F call) noexcept {
  ssize_t n = 0;
  auto body = [&] { n = result_of(call()); };
  run_on_blocking_thread(function_view(body));
  return n;
}

// A write that cannot raise SIGPIPE, on kernels without RWF_NOSIGNAL: the signal is blocked, and
// taken away if the write brought it about.
ssize_t write_without_signal(int fd, const void* data, std::size_t size) noexcept {
  sigset_t pipe_signal;
  sigset_t before;
  sigset_t pending;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  sigpending(&pending);
  const bool was_pending = sigismember(&pending, SIGPIPE) == 1;
  pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
  const ssize_t n = result_of(::write(fd, data, size));
  if (n == -EPIPE && !was_pending) {
    const timespec at_once{};
    while (sigtimedwait(&pipe_signal, nullptr, &at_once) == -1 && last_error() == EINTR) {
    }
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return n;
}

ssize_t write_to_pipe(int fd, bool may_block, std::span<const std::byte> from) noexcept {
  // A system that knows the first flag knows the second one for pipes.
  static std::atomic<bool> has_flags{true};
  if (has_flags.load(std::memory_order_relaxed)) {
    iovec v{const_cast<std::byte*>(from.data()), from.size()};
    const ssize_t n = result_of(pwritev2(fd, &v, 1, -1, RWF_NOSIGNAL | RWF_NOWAIT));
    if (!is_unsupported(n)) return n;
    has_flags.store(false, std::memory_order_relaxed);
  }
  if (!may_block) return write_without_signal(fd, from.data(), from.size());
  if (!ready_now(fd, POLLOUT)) return -EAGAIN;
  return write_without_signal(fd, from.data(), std::min(from.size(), std::size_t{PIPE_BUF}));
}

ssize_t read_from_pipe(int fd, bool may_block, std::span<std::byte> into) noexcept {
  static std::atomic<bool> has_no_wait{true};
  if (has_no_wait.load(std::memory_order_relaxed)) {
    iovec v{into.data(), into.size()};
    const ssize_t n = result_of(preadv2(fd, &v, 1, -1, RWF_NOWAIT));
    if (!is_unsupported(n)) return n;
    has_no_wait.store(false, std::memory_order_relaxed);
  }
  if (may_block && !ready_now(fd, POLLIN)) return -EAGAIN;
  return result_of(::read(fd, into.data(), into.size()));
}

}  // namespace

descriptor_kind kind_of(int fd) noexcept {
  struct stat s {};
  if (fstat(fd, &s) != 0) return descriptor_kind::plain;
  if (S_ISREG(s.st_mode) || S_ISBLK(s.st_mode) || S_ISDIR(s.st_mode)) return descriptor_kind::regular;
  if (S_ISSOCK(s.st_mode)) return kind_of_socket(fd);
  const int flags = fcntl(fd, F_GETFL);
  const bool may_block = flags >= 0 && (flags & O_NONBLOCK) == 0;
  if (S_ISFIFO(s.st_mode)) return may_block ? descriptor_kind::blocking_pipe : descriptor_kind::pipe;
  return may_block ? descriptor_kind::blocking_mode : descriptor_kind::plain;
}

ssize_t try_read(int fd, descriptor_kind k, std::span<std::byte> into) noexcept {
  switch (k) {
    case descriptor_kind::regular: {
      iovec v{into.data(), into.size()};
      const ssize_t n = preadv2(fd, &v, 1, -1, RWF_NOWAIT);
      if (n >= 0) return n;
      return on_blocking_thread([&] { return ::read(fd, into.data(), into.size()); });
    }
    case descriptor_kind::socket:
    case descriptor_kind::other_socket:
    case descriptor_kind::tcp: return result_of(recv(fd, into.data(), into.size(), MSG_DONTWAIT));
    case descriptor_kind::pipe:
    case descriptor_kind::blocking_pipe:
      return read_from_pipe(fd, k == descriptor_kind::blocking_pipe, into);
    case descriptor_kind::blocking_mode:
      if (!ready_now(fd, POLLIN)) return -EAGAIN;
      [[fallthrough]];
    default: return result_of(::read(fd, into.data(), into.size()));
  }
}

ssize_t try_write(int fd, descriptor_kind k, std::span<const std::byte> from) noexcept {
  switch (k) {
    case descriptor_kind::regular: {
      iovec v{const_cast<std::byte*>(from.data()), from.size()};
      const ssize_t n = pwritev2(fd, &v, 1, -1, RWF_NOWAIT);
      if (n >= 0) return n;
      return on_blocking_thread([&] { return ::write(fd, from.data(), from.size()); });
    }
    case descriptor_kind::socket:
    case descriptor_kind::other_socket:
    case descriptor_kind::tcp: {
      const ssize_t n = result_of(send(fd, from.data(), from.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
      return n == -ECONNRESET ? -EPIPE : n;  // the first time, and EPIPE ever after
    }
    case descriptor_kind::pipe:
    case descriptor_kind::blocking_pipe:
      return write_to_pipe(fd, k == descriptor_kind::blocking_pipe, from);
    case descriptor_kind::blocking_mode:
      if (!ready_now(fd, POLLOUT)) return -EAGAIN;
      return result_of(::write(fd, from.data(), std::min(from.size(), std::size_t{PIPE_BUF})));
    default: return result_of(::write(fd, from.data(), from.size()));
  }
}

}  // namespace weft::detail
