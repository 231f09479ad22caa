// One call's stay in a file_descriptor: what every operation on an owned descriptor is made of.
//
// While a use lives, the number is not closed, so no call meets a number that was used again.
// Proved by: tests/conformance/descriptor_*.cpp, tests/stress/io_stress.cpp.
#pragma once

#include <sys/types.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>

#include "switch/thread_local.hpp"
#include "weft/io.hpp"

namespace weft::detail {

// How a call on the descriptor is kept from blocking the thread.
enum class descriptor_kind : std::uint8_t { unknown, plain, blocking_mode, socket, regular };

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

  // Until it is ready. Throws at the limit, when cancelled, when it is closed.
  void wait(bool to_write, const wait_limit& limit);
  // Throws unless ready.
  void check(wait_status);
  [[noreturn]] void fail(int error) { fail_descriptor(error, what, fd); }
  // Tries and waits until `attempt`, which gives what result_of gives, does not say that it would
  // block; other errors are thrown.
  template <class Attempt>
  std::size_t until_done(bool to_write, const wait_limit& limit, Attempt attempt) {
    for (;;) {
      const ssize_t n = attempt();
      if (n >= 0) return static_cast<std::size_t>(n);
      if (n == -EAGAIN) {
        wait(to_write, limit);
      } else if (n != -EINTR) {
        fail(static_cast<int>(-n));
      }
    }
  }
  // Without waiting: what result_of gives. What is held comes first.
  ssize_t read_now(std::span<std::byte> into);
  ssize_t write_now(std::span<const std::byte> from) noexcept;
  std::size_t read(std::span<std::byte> into, const wait_limit& limit);
  std::size_t write_some(std::span<const std::byte> from, const wait_limit& limit);

  // Says when it is being closed: see descriptor_wait::begin.
  const std::atomic<std::uint32_t>& users() const noexcept { return of.users_; }
  // For one that was just made a socket: saves the first call from asking.
  static void is_socket(file_descriptor& d) noexcept {
    d.kind_.store(static_cast<std::uint8_t>(descriptor_kind::socket), std::memory_order_relaxed);
  }

  file_descriptor& of;
  const char* what;
  int fd = -1;
  descriptor_kind kind = descriptor_kind::plain;
};

}  // namespace weft::detail
