// How far down a stack has been used.
//
// Before a goroutine begins its stack is given back to the kernel, which hands out zeroed pages when
// they are touched. So the lowest page that is there, and in it the lowest byte that is not zero, is
// how deep it went: nothing has to be painted, and what was not touched stays untouched.
#pragma once

#include <cstddef>

namespace weft::detail {

// Bytes of [low, top) from the lowest that was used on. To some bytes if what lies there is not zero,
// else to a page. Of any stack, running or not.
std::size_t used_of_stack(char* low, char* top) noexcept;

// Makes [low, end) unused; what is of the page of `end` is zeroed.
void forget_stack_use(char* low, char* end) noexcept;

}  // namespace weft::detail
