// No model has contexts: nothing that was cancelled, nothing to wait for.
#include <cstdlib>

#include "context/context.hpp"

namespace weft::detail {

void release_context(context_state*) noexcept { std::abort(); }

}  // namespace weft::detail
