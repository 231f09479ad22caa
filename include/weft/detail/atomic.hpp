// The atomics of what tests/model explores. There, every operation on one is a place where another
// thread may go on; elsewhere it is std::atomic.
#pragma once

#if defined(WEFT_MODEL)
#include "model/explorer.hpp"
#else
#include <atomic>
#endif

namespace weft::detail {

#if defined(WEFT_MODEL)
using weft_model::atomic;
#else
using std::atomic;
#endif

}  // namespace weft::detail
