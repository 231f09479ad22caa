// The unwinder can begin only where it is called: it cannot be started from saved registers. So it
// is run on the other stack, in a function put on top of the context there (ontop_fcontext).
//
// as_it_was: that function's frame overwrites the registers which the context had saved below its
//   return address, and nothing else of the stack in use. They are copied before and put back after,
//   and the function's own context is dropped. So a trace leaves nothing on the stack, however often
//   it is taken.
// Allocates nothing. With glibc from 2.35 on (_dl_find_object) it takes no lock either; before, the
// loader's, so who holds that one and waits for the traced goroutine would wait for ever.
// Proved by: tests/conformance/dump.cpp.
#include "switch/trace.hpp"

#include <unwind.h>

#include <cstring>

namespace weft::detail {

namespace {

#if defined(__aarch64__)
constexpr std::size_t saved_registers = 0xb0;
#else
constexpr std::size_t saved_registers = 0x40;  // with the return address, or with a stack guard
#endif

struct request {
  stack_trace* into;
  std::size_t skip;
};

// ASan would leave marks on the other stack.
WEFT_NO_ASAN _Unwind_Reason_Code note(_Unwind_Context* frame, void* argument) {
  auto* r = static_cast<request*>(argument);
  if (r->skip > 0) {
    --r->skip;
    return _URC_NO_REASON;
  }
  int before_instruction = 0;
  const _Unwind_Ptr at = _Unwind_GetIPInfo(frame, &before_instruction);
  if (at == 0 || r->into->count == most_frames) return _URC_END_OF_STACK;
  // The call, not what comes after it.
  r->into->frames[r->into->count++] =
      reinterpret_cast<void*>(at - (before_instruction != 0 ? 0u : 1u));
  return _URC_NO_REASON;
}

#if WEFT_HAS_TRACES
[[gnu::noinline]] WEFT_NO_ASAN switch_result trace_on_top(switch_result t) {
  _Unwind_Backtrace(&note, t.data);
  return boost::context::detail::jump_fcontext(t.fctx, nullptr);  // never comes back
}
#endif

}  // namespace

[[gnu::noinline]] void trace_here(stack_trace& into) noexcept {
  request r{&into, 1};
  into.count = 0;
  _Unwind_Backtrace(&note, &r);
}

void trace_suspended([[maybe_unused]] saved_context of, stack_trace& into) noexcept {
  into.count = 0;
#if WEFT_HAS_TRACES
  request r{&into, 1};
  char registers[saved_registers];
  std::memcpy(registers, of, sizeof registers);
  boost::context::detail::ontop_fcontext(of, &r, &trace_on_top);
  std::memcpy(of, registers, sizeof registers);
#endif
}

}  // namespace weft::detail
