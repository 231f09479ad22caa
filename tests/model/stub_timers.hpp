// For models without workers: the wheel that timers are set in.
#pragma once

#include "sched/timer_wheel.hpp"

namespace weft_model {
inline weft::detail::timer_wheel* the_wheel = nullptr;
}
