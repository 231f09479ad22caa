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

#include <cstdint>
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

struct interruption {
  long_trace* into;
  std::uintptr_t at;  // what comes before it is the handler's; 0: nothing is
};

// A recursion without end has calls without end; their number is not worth seconds.
constexpr std::size_t most_calls = 1'000'000;

WEFT_NO_ASAN _Unwind_Reason_Code note_interrupted(_Unwind_Context* frame, void* argument) {
  auto* i = static_cast<interruption*>(argument);
  int before_instruction = 0;
  const _Unwind_Ptr at = _Unwind_GetIPInfo(frame, &before_instruction);
  if (i->at != 0 && at != i->at) return _URC_NO_REASON;
  i->at = 0;
  long_trace& t = *i->into;
  if (at == 0 || t.count == most_calls) return _URC_END_OF_STACK;
  void* call = reinterpret_cast<void*>(at - (before_instruction != 0 ? 0u : 1u));
  if (t.count < long_trace::most_inner) {
    t.inner[t.count] = call;
  } else {
    t.outer[(t.count - long_trace::most_inner) % long_trace::most_outer] = call;
  }
  ++t.count;
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

void trace_interrupted(const void* at, long_trace& into) noexcept {
  into.count = 0;
  interruption i{&into, reinterpret_cast<std::uintptr_t>(at)};
  _Unwind_Backtrace(&note_interrupted, &i);
  if (into.count != 0) return;
  i.at = 0;  // not met: better the handler's own calls than nothing
  _Unwind_Backtrace(&note_interrupted, &i);
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
