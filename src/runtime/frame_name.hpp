// What a signal handler may say about an address of code.
#pragma once

#include "base/signal_text.hpp"

namespace weft::detail {

// Writes the function, if its module exports it, with its name as linkers know it, and the module and
// the offset in it, for addr2line. Takes no lock and allocates nothing.
void write_frame_name(signal_text&, const void* at) noexcept;

}  // namespace weft::detail
