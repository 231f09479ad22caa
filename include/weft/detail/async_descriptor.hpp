// Waiting for descriptors, reading and writing them in a coroutine. See detail/async.hpp for what
// awaiters have in common; these, too, allocate nothing.
//
// What async_accept, async_connect and the like are made of: derive from async_operation.
#pragma once

#include <sys/types.h>

#include <coroutine>
#include <cstddef>
#include <span>
#include <utility>

#include <weft/detail/async.hpp>
#include <weft/wait_limit.hpp>

namespace weft {
class file_descriptor;
}

namespace weft::detail {

struct descriptor_use;

// A coroutine's wait for one descriptor.
struct async_descriptor_state : async_state {
  async_descriptor_state(int descriptor, bool write, wait_limit until) noexcept
      : limit(std::move(until)), fd(descriptor), to_write(write) {}
  ~async_descriptor_state() {
    if (suspended) withdraw_async(*this);
  }
  wait_limit limit;
  int fd;
  bool to_write;
  wait_status status = wait_status::ready;
  alignas(void*) std::byte parts[192];  // see src/io; raw until it suspends
};

// What async_wait_readable() and async_wait_writable() give: co_await it once. Until then it may be
// moved.
class [[nodiscard]] async_readiness {
 public:
  async_readiness(int fd, bool to_write, wait_limit limit) noexcept
      : state_(fd, to_write, std::move(limit)) {}
  async_readiness(async_readiness&& other) noexcept
      : state_(other.state_.fd, other.state_.to_write, std::move(other.state_.limit)) {}

  bool await_ready();
  bool await_suspend(std::coroutine_handle<>) noexcept;
  wait_status await_resume();

 private:
  async_descriptor_state state_;
};

// A call on a file_descriptor: tried, and tried again whenever the descriptor is ready, until it
// does not say that it would block. It keeps the number from being closed from await_ready until
// it is destroyed or leave()s.
class async_operation : public async_descriptor_state {
 public:
  // As descriptor_use::until_done has it: a count, or a negative error; -EAGAIN: it would block.
  // Called first by the coroutine, then by the worker that is about to resume it. May throw.
  using attempt_function = ssize_t (*)(async_operation&, descriptor_use&);

  bool await_ready();
  bool await_suspend(std::coroutine_handle<>) noexcept;

 protected:
  // One that asks for nothing, no bytes, is tried whatever is known of the descriptor.
  async_operation(file_descriptor& of, const char* what, bool write, wait_limit until,
                  attempt_function attempt, bool asks_nothing = false) noexcept
      : async_descriptor_state(-1, write, std::move(until)),
        of_(&of),
        what_(what),
        attempt_(attempt),
        asks_nothing_(asks_nothing) {}
  // Before it is awaited.
  async_operation(async_operation&& other) noexcept
      : async_operation(*other.of_, other.what_, other.to_write, std::move(other.limit),
                        other.attempt_, other.asks_nothing_) {}
  ~async_operation();

  // For await_resume: throws, or gives what the last attempt gave.
  std::size_t take_result();
  // Out of the descriptor: it may be closed.
  void leave() noexcept;
  // Puts back what was read, in front of what is held.
  void put_back(std::span<const std::byte>);

 private:
  friend struct async_operation_access;
  file_descriptor* of_;
  const char* what_;
  attempt_function attempt_;
  std::size_t result_ = 0;
  bool asks_nothing_;
  bool inside_ = false;
  alignas(void*) std::byte use_[48];  // a descriptor_use while inside_
};

// async_read.
class [[nodiscard]] async_read_some : public async_operation {
 public:
  async_read_some(file_descriptor& of, std::span<std::byte> into, wait_limit until) noexcept
      : async_operation(of, "async_read", false, std::move(until), &attempt, into.empty()),
        into_(into) {}
  async_read_some(async_read_some&&) noexcept = default;
  std::size_t await_resume() { return take_result(); }

 private:
  static ssize_t attempt(async_operation&, descriptor_use&);
  std::span<std::byte> into_;
};

// async_read_full.
class [[nodiscard]] async_read_filling : public async_operation {
 public:
  async_read_filling(file_descriptor& of, std::span<std::byte> into, wait_limit until) noexcept
      : async_operation(of, "async_read_full", false, std::move(until), &attempt, into.empty()),
        into_(into) {}
  async_read_filling(async_read_filling&&) noexcept = default;
  ~async_read_filling();
  std::size_t await_resume();

 private:
  static ssize_t attempt(async_operation&, descriptor_use&);
  std::span<std::byte> into_;
  std::size_t done_ = 0;
};

// async_write.
class [[nodiscard]] async_write_all : public async_operation {
 public:
  async_write_all(file_descriptor& of, std::span<const std::byte> from, wait_limit until) noexcept
      : async_operation(of, "async_write", true, std::move(until), &attempt, from.empty()),
        from_(from) {}
  async_write_all(async_write_all&&) noexcept = default;
  void await_resume() { take_result(); }

 private:
  static ssize_t attempt(async_operation&, descriptor_use&);
  std::span<const std::byte> from_;
};

}  // namespace weft::detail
