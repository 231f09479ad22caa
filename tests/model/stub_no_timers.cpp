// For models in which nothing is timed but the waits of plain threads.
#include <cstdlib>

#include "sched/current.hpp"
#include "weft/detail/clock.hpp"

namespace weft {

clock::time_point clock::now() noexcept { return time_point(duration(detail::steady_now())); }

namespace detail {

runtime_core& current_core() { std::abort(); }
void runtime_core::add_timer(timer_node&) noexcept { std::abort(); }
bool timer_wheel::remove(timer_node&) noexcept { std::abort(); }

}  // namespace detail
}  // namespace weft
