// What goroutine_local keeps for one goroutine or thread.
#pragma once

#include "sched/goroutine.hpp"

namespace weft::detail {

// Destroys the goroutine's values, on its own stack. May wait; throws nothing.
void end_locals(goroutine* self) noexcept;

}  // namespace weft::detail
