// What the awaiters have in common. An awaiter lies in the frame of the coroutine that awaits it
// and holds all that the wait needs, so nothing is allocated.
//
// await_ready tries without waiting. await_suspend looks again, registers and, last of all, makes
// the wait visible: from then on the coroutine may be resumed, and destroyed, elsewhere. What a
// goroutine does after a wait is done on a worker before the coroutine is resumed, so await_resume
// only hands out what came of it.
//
// The await_ functions are the library's; any coroutine may co_await, whatever its promise.
#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>

#include <weft/detail/wait_node.hpp>

namespace weft::detail {

enum class async_outcome : std::uint8_t {
  done,
  closed,  // of a channel
  exit,    // the run ends: await_resume throws goroutine_exit
  failed,  // await_resume throws what is in `error`
};

// The start of every awaiter's state. Before it suspends, an awaiter may be moved; its state is
// made anew then.
struct async_state {
  async_state() noexcept {}  // leaves the memory as it is
  async_state(const async_state&) = delete;
  async_state& operator=(const async_state&) = delete;

  alignas(void*) std::byte memory[88];  // of a suspension, from await_suspend on
  bool suspended = false;
  bool holds = false;  // a handle of its own of its channel: it has looked again
  async_outcome outcome = async_outcome::done;
  std::exception_ptr error;
};

// By the destructor of an awaiter whose coroutine is destroyed while it waits: takes the wait back.
// Terminates the process if the wait was completed meanwhile.
void withdraw_async(async_state&) noexcept;
// By await_resume: throws goroutine_exit or the error, if that is the outcome.
void rethrow_async(async_state&);

}  // namespace weft::detail
