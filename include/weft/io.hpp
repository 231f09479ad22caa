// Waiting for descriptors, reading and writing them.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <weft/chan.hpp>
#include <weft/detail/async_descriptor.hpp>
#include <weft/detail/line_buffer.hpp>
#include <weft/wait_limit.hpp>

namespace weft {

/// Waits until reading from fd (writing to it) would not block. Hang-up and error are ready, too:
/// the next read reports them. Regular files are always ready. Any number may wait at once; between
/// waits fd may be closed and its number reused. The descriptor may be in blocking mode. Only the
/// system is asked: what a file_descriptor has read and not returned (see there) it does not know.
/// @throws std::system_error if fd is not open.
wait_status wait_readable(int fd, wait_limit limit = {});
/// The same for writing.
wait_status wait_writable(int fd, wait_limit limit = {});
/// For a coroutine: `co_await async_wait_readable(fd, limit)` is wait_readable(). Any coroutine may
/// await it, once.
inline auto async_wait_readable(int fd, wait_limit limit = {}) noexcept {
  return detail::async_readiness(fd, false, std::move(limit));
}
/// The same for writing.
inline auto async_wait_writable(int fd, wait_limit limit = {}) noexcept {
  return detail::async_readiness(fd, true, std::move(limit));
}
/// Whoever waits on fd gets `cancelled`: call it before a library closes fd. Never waits.
void cancel_waits(int fd);

/// Owns a descriptor: pipe end, terminal, socket, regular file. Move-only. One goroutine may read
/// while another writes and a third closes it.
///
/// Calls that fail throw std::system_error whose message names the operation and the descriptor:
/// std::errc::timed_out at the limit, operation_canceled when its context is cancelled,
/// bad_file_descriptor when closed before or meanwhile,
/// broken_pipe when the other end is gone (never SIGPIPE). What was read and not returned stays
/// for the next call, and moves with the descriptor; rest() takes it. (Where a read of a part fails for
/// want of memory to keep that part in, it is lost.)
///
/// Its calls keep no worker. What the system cannot do at once with a regular file goes through
/// blocking(). A file counts as always ready, so limits do not end its calls: they are done, however
/// long a disk takes, even if the limit has passed before. A descriptor in blocking mode is waited
/// for, with its limit; where the system cannot be told not to block (terminals, other devices, pipes
/// before Linux 6.4, FIFOs and pipes that were opened by a name), the call itself goes through blocking(),
/// too. There neither limit nor close() ends it, should another reader have taken the bytes meanwhile, or
/// the room not suffice; nor does the end of a run, see blocking(). Such a call must be over before
/// release(), and a coroutine is not to be destroyed in one. What remains: the system's close() may take
/// its time (NFS, a serial port that drains, SO_LINGER), and a terminal that another process sets to
/// blocking mode in the middle of a call may hold it; then another thread stands in for the worker.
class file_descriptor {
 public:
  /// Owns nothing.
  file_descriptor() noexcept = default;
  /// Takes ownership and leaves O_NONBLOCK as it is, since a terminal or stdin may be shared.
  explicit file_descriptor(int fd) noexcept : fd_(fd) {}
  /// The other must not be in use by a call of another goroutine.
  file_descriptor(file_descriptor&& other) noexcept;
  /// Closes what it has first, and waits until the calls that are inside have left.
  file_descriptor& operator=(file_descriptor&& other) noexcept;
  /// Closes it. Never waits.
  ~file_descriptor();

  /// Opens a file, close-on-exec. Waits as open(2) does (for the other end of a FIFO, a slow disk), in a
  /// goroutine through blocking(), which no limit interrupts. @throws std::system_error that names the path.
  static file_descriptor open(const std::filesystem::path& path, int flags, mode_t mode = 0666);
  /// A second descriptor for the same open file, close-on-exec.
  static file_descriptor duplicate(int fd);

  /// Reads at least one byte; 0: the end.
  std::size_t read(std::span<std::byte> into, wait_limit limit = {});
  /// Fills `into`; fewer bytes: the end came.
  std::size_t read_full(std::span<std::byte> into, wait_limit limit = {});
  /// Reads to the end. @throws message_size above max bytes.
  std::string read_all(wait_limit limit = {}, std::size_t max = std::size_t{64} << 20);
  /// Writes all of it.
  void write(std::span<const std::byte> from, wait_limit limit = {});
  /// The same for text.
  void write(std::string_view from, wait_limit limit = {});
  /// Writes at least one byte, and says how many.
  std::size_t write_some(std::span<const std::byte> from, wait_limit limit = {});

  /// For a coroutine: `co_await d.async_read(into, limit)` is read(). Any coroutine may await it,
  /// once; the bytes and the descriptor must live until then. Where a regular file has to be waited
  /// for, the goroutine waits that the coroutine runs on.
  auto async_read(std::span<std::byte> into, wait_limit limit = {}) noexcept {
    return detail::async_read_some(*this, into, std::move(limit));
  }
  /// As read_full().
  auto async_read_full(std::span<std::byte> into, wait_limit limit = {}) noexcept {
    return detail::async_read_filling(*this, into, std::move(limit));
  }
  /// As write().
  auto async_write(std::span<const std::byte> from, wait_limit limit = {}) noexcept {
    return detail::async_write_all(*this, from, std::move(limit));
  }
  /// The same for text, which must live until then.
  auto async_write(std::string_view from, wait_limit limit = {}) noexcept {
    return async_write(std::as_bytes(std::span(from)), std::move(limit));
  }

  /// Closes it and wakes who waits on it. A second close does nothing.
  void close();
  /// The number, -1 when closed.
  [[nodiscard]] int get() const noexcept {
    return users_.load(std::memory_order_relaxed) < closing ? fd_.load(std::memory_order_relaxed)
                                                            : -1;
  }
  /// Gives up ownership; who waits on it meanwhile gets bad_file_descriptor. What rest() would give
  /// stays here, for it alone.
  int release() noexcept;
  /// Takes what calls that failed had read: at its limit read_full() had a part, say. The next read
  /// would give it, but whom the number goes to by release() or a redirection does not see it. For one at
  /// a time with reads; also after a close. Never waits.
  std::string rest() noexcept { return std::exchange(held_, {}); }
  /// Whether it owns an open descriptor.
  explicit operator bool() const noexcept { return get() >= 0; }

 private:
  friend struct detail::descriptor_use;
  friend class detail::async_operation;
  static constexpr std::uint32_t closing = 0x80000000;
  void finish_close(int fd) noexcept;

  std::atomic<int> fd_{-1};
  mutable std::atomic<std::uint32_t> users_{0};  // calls inside, and `closing`
  mutable std::atomic<std::uint8_t> kind_{0};    // found out by the first call
  std::atomic<bool> released_{false};
  std::string held_;  // what a call that failed had read: the next one gives it
};

/// Both ends of a pipe, close-on-exec and non-blocking.
struct pipe_ends {
  file_descriptor reader;  ///< gets what is written to the other
  file_descriptor writer;  ///< closing it is the end for the reader
};
/// Makes a pipe. @throws std::system_error
pipe_ends pipe();

/// Reads line by line, through a buffer that grows with the lines, from 4 KiB on. Keeps a reference
/// to its source, which must outlive it. For one goroutine at a time. It reads ahead: what it has
/// and did not return it gives by rest().
///
/// A line costs a search for its end and a string; the system is asked for up to 64 KiB at once.
class line_reader {
 public:
  /// A line may have max_line bytes.
  explicit line_reader(file_descriptor& source, std::size_t max_line = std::size_t{1} << 20) noexcept
      : source_(&source), max_line_(max_line) {}

  /// The next line without its newline, any carriage return kept. The last may lack it. nullopt: the
  /// end. Waits as file_descriptor::read() does, and throws as it does; nothing is lost by that.
  /// @throws std::system_error with std::errc::message_size if the line is longer than max_line, until rest()
  ///   took it.
  std::optional<std::string> next(wait_limit limit = {});
  /// Takes what was read and not returned, which may be part of a line, or many. Never waits.
  std::string rest();

 private:
  file_descriptor* source_;
  std::size_t max_line_;
  detail::line_buffer buffer_;
};

/// The lines of a descriptor on a channel that holds some of them: a goroutine reads them, no faster
/// than they are received, and closes the channel at the end, at an error and when ctx is done. A
/// line of more than max_line bytes comes in pieces of so many. The goroutine owns the descriptor and
/// closes it when it ends, which it also does once nobody has the channel any more.
/// @throws std::bad_alloc
recv_chan<std::string> lines(file_descriptor from, context ctx = background(),
                             std::size_t max_line = std::size_t{1} << 20);

}  // namespace weft
