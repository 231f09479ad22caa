// Timers without workers: see stub_timers.hpp.
#include "model/stub_timers.hpp"

#include <cstdlib>
#include <new>

#include "sched/current.hpp"
#include "weft/detail/seed.hpp"
#include "weft/go.hpp"

namespace weft {

void yield() { std::abort(); }

namespace detail {

// Only its name is used here.
runtime_core& current_core() {
  alignas(runtime_core) static char nothing[sizeof(runtime_core)];
  return *std::launder(reinterpret_cast<runtime_core*>(nothing));
}
runtime_core& default_core() { return current_core(); }
void runtime_core::add_timer(timer_node& node) noexcept { weft_model::the_wheel->add(node); }

void runtime_core::submit(seed*) { std::abort(); }
callable_seed* allocate_seed() { std::abort(); }
void recycle_seed(callable_seed*) noexcept { std::abort(); }
void recycle_seed(worker*, callable_seed*) noexcept { std::abort(); }

}  // namespace detail
}  // namespace weft
