// Threads for calls that block.
#pragma once

#include "weft/runtime.hpp"

namespace weft::detail {

// Runs the function, which throws nothing, on a thread of the pool and waits for its end, whatever
// happens meanwhile. In place on a plain thread, or if there is no thread to be had. Throws nothing.
void run_on_blocking_thread(function_view) noexcept;

}  // namespace weft::detail
