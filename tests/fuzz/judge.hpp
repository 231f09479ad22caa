// The slow reference: Go's semantics of channels, selects, contexts and wait groups, one step at a
// time, searched for an order of steps in which every operation comes out as it was observed.
#pragma once

#include "fuzz/program.hpp"

namespace weft_fuzz {

enum class verdict : std::uint8_t {
  explained,
  impossible,   // no order of steps explains it
  undecided,    // too many states
};

// Whether the history can have come about, with all that have not ended waiting for what nobody will
// do any more.
verdict judge(const program&, const history&);

}  // namespace weft_fuzz
