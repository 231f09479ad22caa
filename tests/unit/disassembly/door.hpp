// A door of which not every function is in order, for the disassembly check's own test.
#pragma once

#define WEFT_OPAQUE [[gnu::noinline]]

namespace weft::detail {

WEFT_OPAQUE int stands_and_is_called() noexcept;
WEFT_OPAQUE int* never_called(int) noexcept;
WEFT_OPAQUE void missing() noexcept;

}  // namespace weft::detail
