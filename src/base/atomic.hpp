// The atomics of what tests/model explores. There, every operation on one is a place where another
// thread may go on; elsewhere it is std::atomic.
#pragma once

#include <atomic>

#if defined(WEFT_MODEL)
#include "model/explorer.hpp"
#endif

namespace weft::detail {

#if defined(WEFT_MODEL)
using weft_model::atomic;
using weft_model::plain_access;
#else
using std::atomic;
// Tells the model of an access to data that other threads touch, too.
inline void plain_access(const void*) noexcept {}
#endif

}  // namespace weft::detail
