// Where a caller looks first in something that is kept in several places.
#include "park/park.hpp"
#include "weft/detail/wait_queue.hpp"

namespace weft::detail {

std::uint32_t place_of_caller() noexcept {
  tsan_blind blind;
  const worker* w = current_worker();
  return w != nullptr ? w->index : thread_random_below(64);
}

}  // namespace weft::detail
