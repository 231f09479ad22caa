// One call's stay in a file_descriptor: what every operation on an owned descriptor is made of.
//
// While a use lives, the number is not closed, so no call meets a number that was used again.
// What has to wait is tried first: look, attempt, wait (see counted_events in epoll_poller.hpp).
// Proved by: tests/conformance/descriptor_*.cpp, tests/stress/io_stress.cpp.
#pragma once

#include <sys/types.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <system_error>

#include "switch/thread_local.hpp"
#include "weft/io.hpp"

namespace weft::detail {

struct descriptor_entry;
struct owned_descriptor;

// What a descriptor is: how a call is kept from blocking the thread, and how it is waited for.
enum class descriptor_kind : std::uint8_t {
  unknown,
  other,  // level semantics
  pipe,   // edge-triggered, as the next three
  fifo,   // a pipe that cannot be told with a call not to block
  socket,
  tcp,           // a read that gives less than it was asked for has left nothing
  other_socket,  // level semantics again
  regular        // never waited for
};

// Throws std::system_error that names operation and descriptor. `what`: one of file_descriptor's, or
// with the name of its class.
[[noreturn]] void fail_descriptor(int error, const char* what, int fd);

// Of a system call: a count, or a negative error; -EAGAIN: it would block.
inline ssize_t result_of(ssize_t n) noexcept { return n >= 0 ? n : -last_error(); }

struct descriptor_use {
  // Throws bad_file_descriptor if it is closed. As for `what`, see fail_descriptor.
  descriptor_use(file_descriptor& d, const char* operation);
  ~descriptor_use();
  descriptor_use(const descriptor_use&) = delete;
  descriptor_use& operator=(const descriptor_use&) = delete;

  // For who has made the descriptor and knows what it is; before its first use.
  static void note_kind(file_descriptor& d, descriptor_kind k) noexcept;

  // Until it is ready, whatever was tried before. Throws at the limit, when cancelled, when it is
  // closed.
  void wait(bool to_write, const wait_limit& limit);

  // Tries and waits until `attempt`, which gives what result_of gives, does not say that it would
  // block; other errors are thrown.
  template <class Attempt>
  std::size_t until_done(bool to_write, const wait_limit& limit, Attempt attempt) {
    std::optional<wait_status> over;  // then this is the last attempt: what is ready is done
    for (;;) {
      if (look(to_write) || over || (over = limit_status(limit))) {
        const ssize_t n = attempt();
        if (n >= 0) return static_cast<std::size_t>(n);
        if (n == -EINTR) continue;
        if (n != -EAGAIN) fail(static_cast<int>(-n));
        note_exhausted(to_write);
        if (over || (over = limit_status(limit))) check(*over);
      }
      over = wait_after_attempt(to_write, limit);
    }
  }

  // Before an attempt. False: it is superfluous, since nothing has come after the last one.
  bool look(bool to_write) noexcept;
  // After one that has left nothing.
  void note_exhausted(bool to_write) noexcept;
  // How it is waited for after that.
  owned_descriptor after_attempt() const noexcept;
  // Whether the limit has passed already.
  static std::optional<wait_status> limit_status(const wait_limit&) noexcept;
  // Whether it is being closed.
  bool is_closing() const noexcept;
  // Throws unless ready.
  void check(wait_status);
  [[noreturn]] void fail(int error) { fail_descriptor(error, what, fd); }
  // A wait that cannot begin has failed in this operation.
  template <class Wait>
  auto in_its_name(Wait wait) {
    try {
      return wait();
    } catch (const std::system_error& e) {
      fail(e.code().value());
    }
  }

  // Without waiting: what result_of gives. What is held comes first.
  ssize_t read_now(std::span<std::byte> into);
  ssize_t write_now(std::span<const std::byte> from) noexcept;
  std::size_t read(std::span<std::byte> into, const wait_limit& limit);
  std::size_t write_some(std::span<const std::byte> from, const wait_limit& limit);

  file_descriptor& of;
  const char* what;
  int fd = -1;
  descriptor_kind kind = descriptor_kind::other;

 private:
  // At a limit that has passed: how. Otherwise nothing; throws when it is closed.
  std::optional<wait_status> wait_after_attempt(bool to_write, const wait_limit& limit);

  bool has_seen_ = false;
  std::uint32_t seen_ = 0;             // the side's events before the attempt
  descriptor_entry* entry_ = nullptr;  // of the runtime in which it waits, once there is one
};

}  // namespace weft::detail
