// Stack traces: of the caller, and of a stack that is switched away from.
#pragma once

#include <cstddef>

#include "base/sanitizer.hpp"
#include "switch/context.hpp"

// Under TSan a switch to a fibre for a moment costs more than a trace is worth: there are none.
#if !WEFT_TSAN && (defined(__x86_64__) || defined(__aarch64__))
#define WEFT_HAS_TRACES 1
#else
#define WEFT_HAS_TRACES 0
#endif

namespace weft::detail {

inline constexpr std::size_t most_frames = 48;
// What has to be left on a stack for a trace to be taken on it.
inline constexpr std::size_t trace_needs = 8192;

// Addresses of calls, innermost first.
struct stack_trace {
  void* frames[most_frames];
  std::size_t count = 0;
};

// Of a stack that may be thousands of calls deep.
struct long_trace {
  static constexpr std::size_t most_inner = 16;
  static constexpr std::size_t most_outer = 16;
  void* inner[most_inner];
  void* outer[most_outer];  // a ring: the call number n, from 0, lies at (n - most_inner) % most_outer
  std::size_t count = 0;    // of all calls
};

// Of the calling function outwards.
void trace_here(stack_trace&) noexcept;
// Of a context that nobody can resume meanwhile, and that has trace_needs bytes below it. Leaves it
// as it was.
void trace_suspended(saved_context, stack_trace&) noexcept;
// By a signal handler: of the code that it interrupted at this address.
void trace_interrupted(const void* at, long_trace&) noexcept;

}  // namespace weft::detail
