// The runtime that a call belongs to.
#pragma once

#include "sched/core.hpp"

namespace weft::detail {

// That of the calling goroutine; on a plain thread the default one, started if need be. Implemented
// by src/runtime.
runtime_core& current_core();
runtime_core& default_core();

}  // namespace weft::detail
