// The only door to anything that belongs to a thread.
//
// A goroutine may wake up on another thread, so nothing that a compiler computed from thread-local
// storage before a switch may be used after it. `noinline` is not enough: g++ infers that such a
// function is const and merges two calls around a switch, and glibc even declares
// __errno_location and __cxa_get_globals const. Hence `noipa` where there is one, and otherwise an
// assembler statement that the optimiser cannot see through. Every function of weft that touches
// thread-local storage is in thread_local.cpp; tests/unit/disassembly checks that.
#pragma once

#include <cstdint>

#if defined(__clang__)
#define WEFT_OPAQUE [[gnu::noinline, clang::no_sanitize("thread")]]
#else
#define WEFT_OPAQUE [[gnu::noipa, gnu::no_sanitize("thread")]]
#endif

namespace weft::detail {

struct worker;
struct local_table;

// The layout that the Itanium C++ ABI gives to __cxa_get_globals()'s result.
struct exception_globals {
  void* caught;
  unsigned int uncaught;
};

// Read again after anything that may switch.
WEFT_OPAQUE worker* current_worker() noexcept;
WEFT_OPAQUE void set_current_worker(worker*) noexcept;
WEFT_OPAQUE exception_globals* thread_exception_globals() noexcept;
WEFT_OPAQUE int* thread_errno() noexcept;
WEFT_OPAQUE int last_error() noexcept;  // instead of errno
// Where the thread's goroutine_local values hang, outside of goroutines. From the first call on the
// thread calls end_thread_locals(), in src/sched, when it exits.
WEFT_OPAQUE local_table** thread_locals() noexcept;
void end_thread_locals() noexcept;
// The thread's own random number in [0, n), for plain threads.
WEFT_OPAQUE std::uint32_t thread_random_below(std::uint32_t n) noexcept;
// Of a std::stop_source, which remembers the thread that asks it. Runs its callbacks.
WEFT_OPAQUE void request_stop(void* stop_source) noexcept;

}  // namespace weft::detail
