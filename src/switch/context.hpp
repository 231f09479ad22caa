// Switching stacks, on Boost.Context's assembly.
#pragma once

#include <boost/context/detail/fcontext.hpp>

// TSan keeps a shadow call stack a fibre. A function that is entered in one fibre and left in
// another would unbalance it, so the switching is not instrumented and inlined into what is not.
#define WEFT_NO_TSAN [[gnu::no_sanitize("thread")]]
#define WEFT_SWITCHING [[gnu::always_inline]] inline

namespace weft::detail {

using saved_context = boost::context::detail::fcontext_t;
using switch_result = boost::context::detail::transfer_t;  // who switched to us, and its message

WEFT_SWITCHING switch_result jump_to(saved_context to, void* message) noexcept {
  return boost::context::detail::jump_fcontext(to, message);
}

}  // namespace weft::detail
