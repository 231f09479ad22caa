// What owns a descriptor, and the use of it that each call is.
//
// users_: how many calls are inside, and closing_bit. close() sets the bit and cancels the waits;
// the last to leave closes the number, so that no call meets a number that was used again.
// Proved by: tests/conformance/descriptor_*.cpp, tests/stress/io_stress.cpp.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>

#include "base/spin_lock.hpp"
#include "blocking/blocking_pool.hpp"
#include "io/descriptor_use.hpp"
#include "io/epoll_poller.hpp"
#include "io/system_calls.hpp"
#include "io/wait.hpp"
#include "sched/current.hpp"
#include "switch/thread_local.hpp"
#include "weft/go.hpp"
#include "weft/io.hpp"
#include "weft/runtime.hpp"
#include "weft/time.hpp"

namespace weft {

using namespace detail;

namespace {

std::span<const std::byte> bytes_of(std::string_view s) noexcept {
  return {reinterpret_cast<const std::byte*>(s.data()), s.size()};
}

// Until the calls that are inside have left. A goroutine lets them run, which may need its worker.
void wait_until_closed(const std::atomic<int>& fd) noexcept {
  constexpr unsigned quick = 100;
  const exit_guard guard;  // what ends the run must not end this
  backoff b;
  for (unsigned turns = 0; fd.load(std::memory_order_acquire) >= 0; ++turns) {
    const worker* w = current_worker();
    if (w == nullptr || w->current == nullptr) {
      b.wait();
    } else if (turns < quick) {
      yield();
    } else {
      sleep_for(std::chrono::milliseconds(1));
    }
  }
}

}  // namespace

namespace detail {

void fail_descriptor(int error, const char* what, int fd) {
  throw std::system_error(
      error, std::generic_category(),
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

void descriptor_use::note_kind(file_descriptor& d, descriptor_kind k) noexcept {
  d.kind_.store(static_cast<std::uint8_t>(k), std::memory_order_relaxed);
}

void descriptor_use::wait(bool to_write, const wait_limit& limit) {
  if (const auto over = has_passed(limit)) {
    if (!is_ready_now(fd, to_write)) check(*over);
    return;
  }
  const owned_descriptor owned{of.users_, is_edge_triggered(kind), {}};
  check(in_its_name([&] { return wait_descriptor(fd, to_write, limit, &owned); }));
}

bool descriptor_use::look(bool to_write) noexcept {
  has_seen_ = false;
  if (!is_edge_triggered(kind)) return true;
  if (entry_ == nullptr) {
    worker* w = current_worker();
    if (w != nullptr) entry_ = poller_of(*w->core).find_entry(fd);
    if (entry_ == nullptr) return true;
  }
  seen_ = entry_->side(to_write).events.load(std::memory_order_acquire);  // see counted_events
  has_seen_ = true;
  return !entry_->is_exhausted(to_write, seen_) || (!to_write && !of.held_.empty());
}

void descriptor_use::note_exhausted(bool to_write) noexcept {
  if (has_seen_) entry_->side(to_write).exhausted.store(seen_, std::memory_order_relaxed);
}

owned_descriptor descriptor_use::after_attempt() const noexcept {
  return {of.users_, is_edge_triggered(kind),
          has_seen_ ? std::optional(seen_) : std::optional<std::uint32_t>()};
}

std::optional<wait_status> descriptor_use::limit_status(const wait_limit& limit) noexcept {
  return has_passed(limit);
}

std::optional<wait_status> descriptor_use::wait_after_attempt(bool to_write,
                                                              const wait_limit& limit) {
  const owned_descriptor owned = after_attempt();
  const wait_status status =
      in_its_name([&] { return wait_descriptor(fd, to_write, limit, &owned); });
  if (entry_ == nullptr && owned.edge_triggered) entry_ = &poller_of(current_core()).entry_of(fd);
  if (status == wait_status::ready) return {};
  if (is_closing()) fail(EBADF);
  return status;
}

bool descriptor_use::is_closing() const noexcept {
  return (of.users_.load(std::memory_order_acquire) & closing_bit) != 0;
}

void descriptor_use::check(wait_status status) {
  switch (status) {
    case wait_status::ready: return;
    case wait_status::timeout: fail(ETIMEDOUT);
    case wait_status::cancelled: break;
  }
  fail(is_closing() ? EBADF : ECANCELED);
}

ssize_t descriptor_use::read_now(std::span<std::byte> into) {
  if (into.empty()) return 0;
  if (!of.held_.empty()) {
    const std::size_t n = std::min(into.size(), of.held_.size());
    std::memcpy(into.data(), of.held_.data(), n);
    of.held_.erase(0, n);
    return static_cast<ssize_t>(n);
  }
  const descriptor_kind before = kind;
  const ssize_t n = try_read(fd, kind, into);
  if (kind != before) note_kind(of, kind);
  // A stream that gave less has no more; what comes is another event. (Where it stops at urgent data
  // the kernel says so: see `for_good` in epoll_poller.cpp.)
  if (kind == descriptor_kind::tcp && n > 0 && static_cast<std::size_t>(n) < into.size()) {
    note_exhausted(false);
  }
  return n;
}

ssize_t descriptor_use::write_now(std::span<const std::byte> from) noexcept {
  const descriptor_kind before = kind;
  const ssize_t n = try_write(fd, kind, from);
  if (kind != before) note_kind(of, kind);
  return n;
}

std::size_t descriptor_use::read(std::span<std::byte> into, const wait_limit& limit) {
  if (into.empty()) return 0;
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
    wait_until_closed(fd_);
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
  // It may block: a FIFO that nobody has opened yet, a disk far away, a file that is leased.
  int fd = -1;
  int error = 0;
  auto open_it = [&] {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
    if (fd < 0) error = last_error();
  };
  run_on_blocking_thread(function_view(open_it));
  if (fd < 0) {
    throw std::system_error(error, std::generic_category(),
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
    if (held_.empty()) {
      held_ = std::move(text);
    } else {
      held_.insert(0, text);
    }
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
  } while (!users_.compare_exchange_weak(users, (users + 1) | closing_bit,
                                         std::memory_order_acq_rel, std::memory_order_relaxed));
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
  pipe_ends both{file_descriptor(ends[0]), file_descriptor(ends[1])};
  descriptor_use::note_kind(both.reader, descriptor_kind::pipe);
  descriptor_use::note_kind(both.writer, descriptor_kind::pipe);
  return both;
}

}  // namespace weft
