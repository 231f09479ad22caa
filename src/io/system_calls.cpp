// Sockets are told with each call not to wait (MSG_DONTWAIT), so are pipes and whatever else knows how
// (RWF_NOWAIT); then it does not matter that somebody else may change O_NONBLOCK. A pipe that was opened
// by a name does not know how on any kernel: its first call finds that out (descriptor_kind::fifo).
//
// no_blocked_worker: all that is left, a terminal above all, is asked for its mode before each call,
//   since that belongs to the open file, which others may share. In blocking mode it is asked whether
//   it is ready (poll), and then the call is made on a thread of the blocking pool: another reader may
//   have been faster, and what has room for something need not have room for all.
// A regular file never says that it would block: what the page cache cannot do at once is done on a
// thread of the pool, too.
// Proved by: tests/conformance/descriptor_*.cpp, terminal_test.cpp, tests/unit/io_fallback_test.cpp.
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

// EOPNOTSUPP: by this descriptor, or with this flag; the others: by this system, or by a container whose
// filter does not know the call.
bool is_unsupported(ssize_t n) noexcept {
  return n == -EOPNOTSUPP || n == -ENOSYS || n == -EINVAL || n == -EPERM;
}

// One that is not open does not block.
bool is_in_blocking_mode(int fd) noexcept {
  const int flags = fcntl(fd, F_GETFL);
  return flags >= 0 && (flags & O_NONBLOCK) == 0;
}

// Where a thread may block. `call` gives what result_of gives.
template <class Call>
ssize_t on_blocking_thread(Call call) noexcept {
  ssize_t n = 0;
  auto body = [&] { n = call(); };
  run_on_blocking_thread(function_view(body));
  return n;
}

// A write that cannot raise SIGPIPE, on kernels without RWF_NOSIGNAL: the signal is blocked, and
// taken away if the write brought it about.
template <class Write>
ssize_t without_signal(Write write) noexcept {
  sigset_t pipe_signal;
  sigset_t before;
  sigset_t pending;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  sigpending(&pending);
  const bool was_pending = sigismember(&pending, SIGPIPE) == 1;
  pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
  const ssize_t n = result_of(write());
  if (n == -EPIPE && !was_pending) {
    const timespec at_once{};
    while (sigtimedwait(&pipe_signal, nullptr, &at_once) == -1 && last_error() == EINTR) {
    }
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return n;
}

ssize_t read_at_once(int fd, std::span<std::byte> into) noexcept {
  iovec v{into.data(), into.size()};
  return result_of(preadv2(fd, &v, 1, -1, RWF_NOWAIT));
}

ssize_t write_at_once(int fd, std::span<const std::byte> from, int more_flags = 0) noexcept {
  iovec v{const_cast<std::byte*>(from.data()), from.size()};
  return result_of(pwritev2(fd, &v, 1, -1, RWF_NOWAIT | more_flags));
}

// See no_blocked_worker.
ssize_t read_as_its_mode_is(int fd, std::span<std::byte> into) noexcept {
  const auto call = [=] { return result_of(::read(fd, into.data(), into.size())); };
  if (!is_in_blocking_mode(fd)) return call();
  if (!ready_now(fd, POLLIN)) return -EAGAIN;
  return on_blocking_thread(call);
}

// The same. `write` is given what is to be written, here or there.
template <class Write>
ssize_t write_as_its_mode_is(int fd, std::span<const std::byte> from, Write write) noexcept {
  if (!is_in_blocking_mode(fd)) return write(from);
  if (!ready_now(fd, POLLOUT)) return -EAGAIN;
  // For so much a pipe that is ready has room.
  const auto part = from.first(std::min(from.size(), std::size_t{PIPE_BUF}));
  return on_blocking_thread([=] { return write(part); });
}

ssize_t read_from_pipe(int fd, descriptor_kind& kind, std::span<std::byte> into) noexcept {
  static std::atomic<bool> has_call{true};  // what this system does not know is not tried again
  if (kind == descriptor_kind::pipe && has_call.load(std::memory_order_relaxed)) {
    const ssize_t n = read_at_once(fd, into);
    if (!is_unsupported(n)) return n;
    if (n == -EOPNOTSUPP) {
      kind = descriptor_kind::fifo;
    } else {
      has_call.store(false, std::memory_order_relaxed);
    }
  }
  return read_as_its_mode_is(fd, into);
}

ssize_t write_to_pipe(int fd, descriptor_kind& kind, std::span<const std::byte> from) noexcept {
  static std::atomic<bool> has_call{true};
  static std::atomic<bool> has_no_signal{true};  // Linux 6.18
  if (kind == descriptor_kind::pipe && has_call.load(std::memory_order_relaxed)) {
    if (has_no_signal.load(std::memory_order_relaxed)) {
      const ssize_t n = write_at_once(fd, from, RWF_NOSIGNAL);
      if (!is_unsupported(n)) return n;
    }
    const ssize_t n = without_signal([&] { return write_at_once(fd, from); });
    if (!is_unsupported(n)) {
      has_no_signal.store(false, std::memory_order_relaxed);  // so it was that
      return n;
    }
    if (n == -EOPNOTSUPP) {
      kind = descriptor_kind::fifo;
    } else {
      has_call.store(false, std::memory_order_relaxed);
    }
  }
  return write_as_its_mode_is(fd, from, [fd](std::span<const std::byte> part) {
    return without_signal([&] { return result_of(::write(fd, part.data(), part.size())); });
  });
}

// Terminals and other devices, eventfds and the like.
ssize_t read_from_other(int fd, std::span<std::byte> into) noexcept {
  if (is_in_blocking_mode(fd)) {
    const ssize_t n = read_at_once(fd, into);
    if (!is_unsupported(n)) return n;
  }
  return read_as_its_mode_is(fd, into);
}

ssize_t write_to_other(int fd, std::span<const std::byte> from) noexcept {
  if (is_in_blocking_mode(fd)) {
    const ssize_t n = write_at_once(fd, from);
    if (!is_unsupported(n)) return n;
  }
  return write_as_its_mode_is(fd, from, [fd](std::span<const std::byte> part) {
    return result_of(::write(fd, part.data(), part.size()));
  });
}

ssize_t read_file(int fd, std::span<std::byte> into) noexcept {
  const ssize_t n = read_at_once(fd, into);
  if (n >= 0) return n;
  return on_blocking_thread([=] { return result_of(::read(fd, into.data(), into.size())); });
}

ssize_t write_file(int fd, std::span<const std::byte> from) noexcept {
  const ssize_t n = write_at_once(fd, from);
  if (n >= 0) return n;
  return on_blocking_thread([=] { return result_of(::write(fd, from.data(), from.size())); });
}

// Not by fstat, which may ask a file's server and take its time: the type is known here.
mode_t type_of(int fd) noexcept {
  struct statx s {};
  if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &s) == 0 &&
      (s.stx_mask & STATX_TYPE) != 0) {
    return s.stx_mode;
  }
  struct stat older {};
  return fstat(fd, &older) == 0 ? older.st_mode : 0;
}

}  // namespace

descriptor_kind kind_of(int fd) noexcept {
  const mode_t type = type_of(fd);
  if (S_ISREG(type) || S_ISBLK(type) || S_ISDIR(type)) return descriptor_kind::regular;
  if (S_ISSOCK(type)) return kind_of_socket(fd);
  return S_ISFIFO(type) ? descriptor_kind::pipe : descriptor_kind::other;
}

ssize_t try_read(int fd, descriptor_kind& k, std::span<std::byte> into) noexcept {
  switch (k) {
    case descriptor_kind::regular: return read_file(fd, into);
    case descriptor_kind::socket:
    case descriptor_kind::other_socket:
    case descriptor_kind::tcp: return result_of(recv(fd, into.data(), into.size(), MSG_DONTWAIT));
    case descriptor_kind::pipe:
    case descriptor_kind::fifo: return read_from_pipe(fd, k, into);
    default: return read_from_other(fd, into);
  }
}

ssize_t try_write(int fd, descriptor_kind& k, std::span<const std::byte> from) noexcept {
  switch (k) {
    case descriptor_kind::regular: return write_file(fd, from);
    case descriptor_kind::socket:
    case descriptor_kind::other_socket:
    case descriptor_kind::tcp: {
      const ssize_t n = result_of(send(fd, from.data(), from.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
      return n == -ECONNRESET ? -EPIPE : n;  // the first time, and EPIPE ever after
    }
    case descriptor_kind::pipe:
    case descriptor_kind::fifo: return write_to_pipe(fd, k, from);
    default: return write_to_other(fd, from);
  }
}

}  // namespace weft::detail
