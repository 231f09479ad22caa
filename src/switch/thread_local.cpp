#include "switch/thread_local.hpp"

#include <cxxabi.h>
#include <errno.h>

#include <stop_token>

#include "base/futex.hpp"
#include "base/random.hpp"

#if defined(__clang__)
#define WEFT_HIDE_FROM_OPTIMISER asm volatile("" ::: "memory")
#else
#define WEFT_HIDE_FROM_OPTIMISER ((void)0)
#endif

namespace weft::detail {
namespace {
// initial-exec: one instruction to reach, in a shared library too.
[[gnu::tls_model("initial-exec")]] constinit thread_local worker* this_worker = nullptr;
[[gnu::tls_model("initial-exec")]] constinit thread_local small_random this_random{};
[[gnu::tls_model("initial-exec")]] constinit thread_local bool this_random_seeded = false;
[[gnu::tls_model("initial-exec")]] constinit thread_local local_table* this_locals = nullptr;
// this_locals itself outlives it: static destructors may still use it.
struct ends_locals {
  bool used = false;
  ~ends_locals() { end_thread_locals(); }
};
[[gnu::tls_model("initial-exec")]] thread_local ends_locals this_end;
}  // namespace

WEFT_OPAQUE worker* current_worker() noexcept {
  WEFT_HIDE_FROM_OPTIMISER;
  return this_worker;
}

WEFT_OPAQUE void set_current_worker(worker* w) noexcept {
  WEFT_HIDE_FROM_OPTIMISER;
  this_worker = w;
}

WEFT_OPAQUE exception_globals* thread_exception_globals() noexcept {
  WEFT_HIDE_FROM_OPTIMISER;
  return reinterpret_cast<exception_globals*>(abi::__cxa_get_globals());
}

WEFT_OPAQUE int* thread_errno() noexcept {
  WEFT_HIDE_FROM_OPTIMISER;
  return &errno;
}

WEFT_OPAQUE int last_error() noexcept {
  WEFT_HIDE_FROM_OPTIMISER;
  return errno;
}

WEFT_OPAQUE local_table** thread_locals() noexcept {
  WEFT_HIDE_FROM_OPTIMISER;
  this_end.used = true;
  return &this_locals;
}

WEFT_OPAQUE std::uint32_t thread_random_below(std::uint32_t n) noexcept {
  WEFT_HIDE_FROM_OPTIMISER;
  if (!this_random_seeded) {
    this_random.set(static_cast<std::uint64_t>(steady_now()) ^
                    reinterpret_cast<std::uintptr_t>(&this_random));
    this_random_seeded = true;
  }
  return this_random.below(n);
}

WEFT_OPAQUE void request_stop(void* stop_source) noexcept {
  WEFT_HIDE_FROM_OPTIMISER;
  static_cast<std::stop_source*>(stop_source)->request_stop();
}

}  // namespace weft::detail
