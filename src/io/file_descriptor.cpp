// Reading and writing descriptors.
//
// Each call tries first and waits only when the system says that it would block. A descriptor in
// blocking mode never gets a call that may block: RWF_NOWAIT where it works, else poll(2) first and
// at most PIPE_BUF bytes. A regular file never says that it would block: what the page cache cannot
// do at once (RWF_NOWAIT) is done on a thread of the blocking pool.
//
// users_: how many calls are inside, and closing_bit. close() sets the bit and cancels the waits;
// the last to leave closes the number, so that no call meets a number that was used again.
// Proved by: tests/conformance/descriptor_*.cpp, tests/stress/io_stress.cpp.
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>

#include "base/spin_lock.hpp"
#include "blocking/blocking_pool.hpp"
#include "io/descriptor_use.hpp"
#include "io/wait.hpp"
#include "switch/thread_local.hpp"
#include "weft/io.hpp"

#ifndef RWF_NOSIGNAL
#define RWF_NOSIGNAL 0x00000100  // Linux 6.18: no SIGPIPE
#endif

namespace weft {

using namespace detail;

namespace {

descriptor_kind kind_of(int fd) noexcept {
  struct stat s {};
  if (fstat(fd, &s) != 0) return descriptor_kind::plain;
  if (S_ISREG(s.st_mode) || S_ISBLK(s.st_mode) || S_ISDIR(s.st_mode)) return descriptor_kind::regular;
  if (S_ISSOCK(s.st_mode)) return descriptor_kind::socket;
  const int flags = fcntl(fd, F_GETFL);
  return flags >= 0 && (flags & O_NONBLOCK) == 0 ? descriptor_kind::blocking_mode
                                                 : descriptor_kind::plain;
}

bool ready_now(int fd, short events) noexcept {
  pollfd p{fd, events, 0};
  return ::poll(&p, 1, 0) > 0;
}

// What cannot be done at once, where this thread may block.
template <class F>
ssize_t on_blocking_thread(F call) noexcept {
  ssize_t n = 0;
  auto body = [&] { n = result_of(call()); };
  run_on_blocking_thread(function_view(body));
  return n;
}

ssize_t try_read(int fd, descriptor_kind k, std::span<std::byte> into) noexcept {
  switch (k) {
    case descriptor_kind::regular: {
      iovec v{into.data(), into.size()};
      const ssize_t n = preadv2(fd, &v, 1, -1, RWF_NOWAIT);
      if (n >= 0) return n;
      return on_blocking_thread([&] { return ::read(fd, into.data(), into.size()); });
    }
    case descriptor_kind::socket: return result_of(recv(fd, into.data(), into.size(), MSG_DONTWAIT));
    case descriptor_kind::blocking_mode: {
      iovec v{into.data(), into.size()};
      const ssize_t n = result_of(preadv2(fd, &v, 1, -1, RWF_NOWAIT));
      if (n != -EOPNOTSUPP && n != -ENOSYS && n != -EINVAL) return n;
      if (!ready_now(fd, POLLIN)) return -EAGAIN;
      return result_of(::read(fd, into.data(), into.size()));
    }
    default: return result_of(::read(fd, into.data(), into.size()));
  }
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

ssize_t try_write(int fd, descriptor_kind k, std::span<const std::byte> from) noexcept {
  if (k == descriptor_kind::socket) {
    const ssize_t n = result_of(send(fd, from.data(), from.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
    return n == -ECONNRESET ? -EPIPE : n;  // the first time, and EPIPE ever after
  }
  static std::atomic<bool> has_no_signal{true};
  iovec v{const_cast<std::byte*>(from.data()), from.size()};
  if (k == descriptor_kind::regular) {
    const ssize_t n = pwritev2(fd, &v, 1, -1, RWF_NOWAIT);
    if (n >= 0) return n;
    return on_blocking_thread([&] { return ::write(fd, from.data(), from.size()); });
  }
  const int no_wait = k == descriptor_kind::blocking_mode ? RWF_NOWAIT : 0;
  if (has_no_signal.load(std::memory_order_relaxed)) {
    ssize_t n = result_of(pwritev2(fd, &v, 1, -1, RWF_NOSIGNAL | no_wait));
    if (n != -EOPNOTSUPP && n != -ENOSYS && n != -EINVAL) return n;
    // Which of the two flags it was: without waiting or not, ask for the signal's alone.
    if (no_wait == 0) has_no_signal.store(false, std::memory_order_relaxed);
  }
  if (k != descriptor_kind::blocking_mode) return write_without_signal(fd, from.data(), from.size());
  if (!ready_now(fd, POLLOUT)) return -EAGAIN;
  // Room for so much is what a ready pipe promises.
  return write_without_signal(fd, from.data(), std::min(from.size(), std::size_t{PIPE_BUF}));
}

std::span<const std::byte> bytes_of(std::string_view s) noexcept {
  return {reinterpret_cast<const std::byte*>(s.data()), s.size()};
}

}  // namespace

namespace detail {

void fail_descriptor(int error, const char* what, int fd) {
  throw std::system_error(error, std::generic_category(),
                          (std::strchr(what, ':') == nullptr ? "weft::file_descriptor::" : "weft::") +
                              std::string(what) + " (descriptor " + std::to_string(fd) + ")");
}

descriptor_use::descriptor_use(file_descriptor& d, const char* operation) : of(d), what(operation) {
  std::uint32_t users = of.users_.load(std::memory_order_relaxed);
  do {
    fd = of.fd_.load(std::memory_order_acquire);
    if ((users & closing_bit) != 0 || fd < 0) fail_descriptor(EBADF, what, -1);
  } while (!of.users_.compare_exchange_weak(users, users + 1, std::memory_order_acq_rel,
                                            std::memory_order_relaxed));
  std::uint8_t k = of.kind_.load(std::memory_order_relaxed);
  if (k == static_cast<std::uint8_t>(descriptor_kind::unknown)) {
    k = static_cast<std::uint8_t>(kind_of(fd));
    of.kind_.store(k, std::memory_order_relaxed);
  }
  kind = static_cast<descriptor_kind>(k);
}

descriptor_use::~descriptor_use() {
  // The last one out closes the number.
  if (of.users_.fetch_sub(1, std::memory_order_acq_rel) - 1 == closing_bit) of.finish_close(fd);
  // Its store of fd_ is the last touch.
}

void descriptor_use::wait(bool to_write, const wait_limit& limit) {
  check(wait_descriptor(fd, to_write, limit, &of.users_));
}

void descriptor_use::check(wait_status status) {
  switch (status) {
    case wait_status::ready: return;
    case wait_status::timeout: fail(ETIMEDOUT);
    case wait_status::cancelled: break;
  }
  const bool closed = (of.users_.load(std::memory_order_acquire) & closing_bit) != 0;
  fail(closed ? EBADF : ECANCELED);
}

ssize_t descriptor_use::read_now(std::span<std::byte> into) {
  if (!of.held_.empty()) {
    const std::size_t n = std::min(into.size(), of.held_.size());
    std::memcpy(into.data(), of.held_.data(), n);
    of.held_.erase(0, n);
    return static_cast<ssize_t>(n);
  }
  return try_read(fd, kind, into);
}

ssize_t descriptor_use::write_now(std::span<const std::byte> from) noexcept {
  return try_write(fd, kind, from);
}

std::size_t descriptor_use::read(std::span<std::byte> into, const wait_limit& limit) {
  return until_done(false, limit, [&] { return read_now(into); });
}

std::size_t descriptor_use::write_some(std::span<const std::byte> from, const wait_limit& limit) {
  return until_done(true, limit, [&] { return write_now(from); });
}

}  // namespace detail

file_descriptor::file_descriptor(file_descriptor&& other) noexcept
    : fd_(other.fd_.exchange(-1, std::memory_order_acq_rel)),
      kind_(other.kind_.exchange(0, std::memory_order_relaxed)),
      held_(std::exchange(other.held_, {})) {}

file_descriptor& file_descriptor::operator=(file_descriptor&& other) noexcept {
  if (this != &other) {
    close();
    // Calls that were inside have been cancelled; the last one out closes the old number.
    for (backoff b; fd_.load(std::memory_order_acquire) >= 0;) b.wait();
    released_.store(false, std::memory_order_relaxed);
    fd_.store(other.fd_.exchange(-1, std::memory_order_acq_rel), std::memory_order_release);
    kind_.store(other.kind_.exchange(0, std::memory_order_relaxed), std::memory_order_relaxed);
    users_.store(0, std::memory_order_relaxed);
    held_ = std::exchange(other.held_, {});
  }
  return *this;
}

file_descriptor::~file_descriptor() { close(); }

file_descriptor file_descriptor::open(const std::filesystem::path& path, int flags, mode_t mode) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  if (fd < 0) {
    throw std::system_error(last_error(), std::generic_category(),
                            "weft::file_descriptor::open " + path.string());
  }
  return file_descriptor(fd);
}

file_descriptor file_descriptor::duplicate(int fd) {
  const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) fail_descriptor(last_error(), "duplicate", fd);
  return file_descriptor(copy);
}

std::size_t file_descriptor::read(std::span<std::byte> into, wait_limit limit) {
  return descriptor_use(*this, "read").read(into, limit);
}

std::size_t file_descriptor::read_full(std::span<std::byte> into, wait_limit limit) {
  descriptor_use use(*this, "read_full");
  std::size_t done = 0;
  try {
    while (done < into.size()) {
      const std::size_t n = use.read(into.subspan(done), limit);
      if (n == 0) break;
      done += n;
    }
  } catch (...) {
    held_.insert(0, reinterpret_cast<const char*>(into.data()), done);
    throw;
  }
  return done;
}

std::string file_descriptor::read_all(wait_limit limit, std::size_t max) {
  descriptor_use use(*this, "read_all");
  std::string text;
  std::size_t size = 0;
  try {
    for (;;) {
      if (text.size() - size < 4096) {
        text.resize(std::max(text.size() * 2, std::size_t{16} << 10));
      }
      const std::size_t n = use.read(
          std::as_writable_bytes(std::span(text.data() + size, text.size() - size)), limit);
      size += n;
      if (size > max) fail_descriptor(EMSGSIZE, "read_all", use.fd);
      if (n == 0) break;
    }
  } catch (...) {
    // All that was held before has been given by now, if anything was read since.
    text.resize(size);
    held_.insert(0, text);
    throw;
  }
  text.resize(size);
  return text;
}

std::size_t file_descriptor::write_some(std::span<const std::byte> from, wait_limit limit) {
  return descriptor_use(*this, "write_some").write_some(from, limit);
}

void file_descriptor::write(std::span<const std::byte> from, wait_limit limit) {
  descriptor_use use(*this, "write");
  while (!from.empty()) from = from.subspan(use.write_some(from, limit));
}

void file_descriptor::write(std::string_view from, wait_limit limit) {
  write(bytes_of(from), limit);
}

void file_descriptor::finish_close(int fd) noexcept {
  if (!released_.load(std::memory_order_relaxed)) ::close(fd);
  fd_.store(-1, std::memory_order_release);
}

void file_descriptor::close() {
  const int fd = fd_.load(std::memory_order_acquire);
  if (fd < 0) return;
  // This call counts as a user, so that exactly one closes.
  std::uint32_t users = users_.load(std::memory_order_relaxed);
  do {
    if ((users & closing_bit) != 0) return;
  } while (!users_.compare_exchange_weak(users, (users + 1) | closing_bit, std::memory_order_acq_rel,
                                         std::memory_order_relaxed));
  cancel_waits(fd);
  if (users_.fetch_sub(1, std::memory_order_acq_rel) - 1 == closing_bit) finish_close(fd);
}

int file_descriptor::release() noexcept {
  const int fd = fd_.load(std::memory_order_acquire);
  if (fd < 0 || (users_.load(std::memory_order_acquire) & closing_bit) != 0) return -1;
  released_.store(true, std::memory_order_relaxed);
  close();
  return fd;
}

pipe_ends pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
    throw std::system_error(last_error(), std::generic_category(), "weft::pipe");
  }
  return {file_descriptor(ends[0]), file_descriptor(ends[1])};
}

}  // namespace weft
