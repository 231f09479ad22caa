#pragma once

// Uses up any stack, in functions whose names a trace can show.

#include "support/opaque.hpp"

extern "C" {
int weft_test_outermost();
int weft_test_descend(volatile int* above, long levels);
int weft_test_big_frame(int levels);  // frames of 200 KiB: larger than a guard, and than some stacks
}

namespace weft_test {
inline int overflow_stack() { return weft_test_outermost(); }
}  // namespace weft_test
