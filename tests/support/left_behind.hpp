#pragma once

namespace weft_test {

// How many test cases have left a descriptor or a child behind, in the programs that count it.
inline int cases_that_left_something = 0;

}  // namespace weft_test
