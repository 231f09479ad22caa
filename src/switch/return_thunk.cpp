// Where functions marked WEFT_RETURNS_ELSEWHERE return through: see context.hpp. rcx carries neither
// a result nor anything that a caller may keep.
#include "switch/context.hpp"

#if WEFT_HAS_RETURN_THUNK
asm(R"(
  .section .text
  .weak __x86_return_thunk
  .hidden __x86_return_thunk
  .type __x86_return_thunk, @function
__x86_return_thunk:
  .cfi_startproc
  popq %rcx
  .cfi_adjust_cfa_offset -8
  .cfi_register rip, rcx
  jmp *%rcx
  .cfi_endproc
  .size __x86_return_thunk, . - __x86_return_thunk
)");
#endif
