// No model has coroutines.
#include <cstdlib>

#include "park/coroutine.hpp"

namespace weft::detail {

coroutine_wait::coroutine_wait(async_state& state, std::coroutine_handle<>, const suspension_type&)
    : coroutine_wait(state) {
  std::abort();
}
bool coroutine_wait::must_exit() const noexcept { std::abort(); }
void coroutine_wait::commit(wait_scope::unlock_function, void*, timer_node*) noexcept { std::abort(); }
void rethrow_async(async_state&) { std::abort(); }

}  // namespace weft::detail
