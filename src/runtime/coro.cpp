// What coro<R> asks of the runtime.
#include "weft/coro.hpp"

#include <stdexcept>

#include "sched/core.hpp"
#include "weft/go.hpp"

namespace weft::detail {

void throw_coro_misuse(const char* what) { throw std::logic_error(what); }

bool is_goroutine_exit(const std::exception_ptr& error) noexcept {
  try {
    std::rethrow_exception(error);
  } catch (const goroutine_exit&) {
    return true;
  } catch (...) {
    return false;
  }
}

void report_coro_exception(std::exception_ptr error) {
  if (!error || is_goroutine_exit(error)) return;
  report_dropped_exception(std::move(error), false);
}

// A quarter of a goroutine's stack may hold coroutines on top of each other. A plain thread has
// more, and no bound that could be asked for cheaply.
bool has_room_to_nest() noexcept {
  const worker* w = current_worker();
  if (w == nullptr || w->current == nullptr) return true;
  const auto* top = reinterpret_cast<const char*>(w->current);
  const auto* here = static_cast<const char*>(__builtin_frame_address(0));
  return top - here < static_cast<std::ptrdiff_t>(w->core->stacks().stack_size() / 4);
}

}  // namespace weft::detail
