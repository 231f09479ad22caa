// Compiled with -fstack-clash-protection: see CMakeLists.txt.
#include "descend.hpp"

WEFT_TEST_OPAQUE int weft_test_descend(volatile int* above, long levels) {
  volatile int frame[64];
  frame[0] = *above + 1;
  return levels == 0 ? 0 : weft_test_descend(frame, levels - 1) + frame[0];
}

WEFT_TEST_OPAQUE int weft_test_big_frame(int levels) {
  volatile char frame[200 << 10];
  frame[0] = static_cast<char>(levels);
  return levels == 0 ? 0 : weft_test_big_frame(levels - 1) + frame[0];
}

WEFT_TEST_OPAQUE int weft_test_outermost() {
  volatile int top = 0;
  return weft_test_descend(&top, 100'000'000) + top;
}
