// What the explored sources refer to and a model does not have: here there are no workers, every
// thread is a plain one. What only a goroutine would call ends the program.
#include <cstdlib>

#include "base/barrier.hpp"
#include "base/futex.hpp"
#include "sched/core.hpp"
#include "weft/runtime.hpp"

namespace weft {

exit_guard::exit_guard() noexcept : goroutine_(0) {}
exit_guard::~exit_guard() {}

namespace detail {

std::atomic<bool> has_membarrier{true};  // a model chooses

worker* current_worker() noexcept { return nullptr; }
std::uint32_t thread_random_below(std::uint32_t n) noexcept { return weft_model::choose(n); }
exception_globals* thread_exception_globals() noexcept {  // only to tell threads apart
  static exception_globals all[weft_model::most_threads + 1];
  return &all[weft_model::thread_number()];
}

goroutine* runtime_core::bind(worker*, seed*) noexcept { std::abort(); }
goroutine* runtime_core::bind_if_quick(worker*, seed*) noexcept { std::abort(); }
void runtime_core::ready(goroutine*) noexcept { std::abort(); }
void runtime_core::wake_searcher() noexcept { std::abort(); }
void runtime_core::resume(suspension&, resume_order) noexcept { std::abort(); }

}  // namespace detail
}  // namespace weft
