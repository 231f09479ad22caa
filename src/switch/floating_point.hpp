// How the processor rounds, which floating-point exceptions trap, and which SSE has seen: it follows
// the goroutine, since jump_fcontext saves and restores the two control registers on x86-64.
//
// Whoever makes a context or runs one goroutine after another on a stack sets them, or the new
// goroutine would begin with what the one before has set. Elsewhere this is empty: what a goroutine
// sets stays with the thread (docs/robustness.md).
// Proved by: tests/unit/floating_point_test.cpp, which also fails if Boost.Context was built without
// saving them (BOOST_USE_TSX).
#pragma once

#include <cstdint>
#include <cstring>

#include "switch/context.hpp"

namespace weft::detail {

#if defined(__x86_64__)
#define WEFT_HAS_FLOATING_CONTROL 1

struct floating_control {
  std::uint32_t mxcsr = 0x1f80;
  std::uint16_t x87 = 0x037f;

  bool operator==(const floating_control&) const = default;
  // Without what was seen so far.
  floating_control without_flags() const noexcept { return {mxcsr & ~std::uint32_t{0x3f}, x87}; }
};

inline floating_control thread_floating_control() noexcept {
  floating_control c;
  asm volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(c.mxcsr), "=m"(c.x87));
  return c;
}

inline void set_thread_floating_control(const floating_control& c) noexcept {
  asm volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(c.mxcsr), "m"(c.x87) : "memory");
}

// Of a context that was just made: they lie where jump_fcontext will look for them.
inline void set_floating_control(saved_context context, const floating_control& c) noexcept {
  auto* registers = static_cast<char*>(context);
  std::memcpy(registers, &c.mxcsr, sizeof c.mxcsr);
  std::memcpy(registers + 4, &c.x87, sizeof c.x87);
}

#else
#define WEFT_HAS_FLOATING_CONTROL 0

struct floating_control {
  bool operator==(const floating_control&) const = default;
  floating_control without_flags() const noexcept { return *this; }
};
inline floating_control thread_floating_control() noexcept { return {}; }
inline void set_thread_floating_control(const floating_control&) noexcept {}
inline void set_floating_control(saved_context, const floating_control&) noexcept {}

#endif

}  // namespace weft::detail
