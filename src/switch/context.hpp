// Switching stacks, on Boost.Context's assembly.
#pragma once

#include <boost/context/detail/fcontext.hpp>

// TSan keeps a shadow call stack a fibre. A function that is entered in one fibre and left in
// another would unbalance it, so the switching is not instrumented and inlined into what is not.
#if defined(__clang__)  // whose no_sanitize still reports a function's entry and exit
#define WEFT_NO_TSAN [[clang::disable_sanitizer_instrumentation]]
#define WEFT_NO_ASAN [[clang::no_sanitize("address")]]
#else
#define WEFT_NO_TSAN [[gnu::no_sanitize("thread")]]
#define WEFT_NO_ASAN [[gnu::no_sanitize("address")]]
#endif
#define WEFT_SWITCHING [[gnu::always_inline]] inline

// A function that switches away and is resumed returns to an address that the processor's return
// stack does not have: a misprediction, 8 to 10 ns. WEFT_RETURNS_ELSEWHERE makes it return by an
// indirect jump, whose target is predicted from history like any other (ping-pong 101 to 72 ns,
// median of 9, Go 446 in the same minute). For functions that switch whenever they are called, and
// that are called last by what the user calls. It asks GCC for an external return thunk, the one in
// return_thunk.cpp.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__CET__)
#define WEFT_HAS_RETURN_THUNK 1
#define WEFT_RETURNS_ELSEWHERE [[gnu::noinline, gnu::function_return("thunk-extern")]]
#else
#define WEFT_HAS_RETURN_THUNK 0
#define WEFT_RETURNS_ELSEWHERE [[gnu::noinline]]
#endif

namespace weft::detail {

using saved_context = boost::context::detail::fcontext_t;
using switch_result = boost::context::detail::transfer_t;  // who switched to us, and its message

WEFT_SWITCHING switch_result jump_to(saved_context to, void* message) noexcept {
  return boost::context::detail::jump_fcontext(to, message);
}

}  // namespace weft::detail
