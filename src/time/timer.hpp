// What src/runtime needs of timers.
#pragma once

#include "sched/timer_wheel.hpp"

namespace weft::detail {

// Timers that stood in the wheels of a runtime that has ended, linked by next_to_fire: they go on
// in the default runtime.
void adopt_timers(timer_node*);

}  // namespace weft::detail
