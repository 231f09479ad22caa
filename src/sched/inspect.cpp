// Looking at goroutines that do not run, for dumps.
//
// A parked one is held by its claim word: who wants to claim it meanwhile spins, some 100 us at
// most. A runnable one is held by being out of its queue; it comes back at the end of the global one,
// or of the caller's own. Neither is resumed while it is held.
#include <mutex>

#include "sched/core.hpp"
#include "switch/trace.hpp"

namespace weft::detail {

bool runtime_core::trace_held(goroutine* g, stack_trace& into) noexcept {
  const auto low = reinterpret_cast<std::uintptr_t>(stack_pool_->low_end(g));
  const auto at = reinterpret_cast<std::uintptr_t>(g->context);
  if (low == 0 || at < low + trace_needs || at >= reinterpret_cast<std::uintptr_t>(g)) return false;
  trace_suspended(g->context, into);
  return true;
}

bool runtime_core::runs(const goroutine* g) const noexcept {
  for (unsigned i = 0; i < made_.load(std::memory_order_acquire); ++i) {
    if (std::atomic_ref(at(i)->current).load(std::memory_order_relaxed) == g) return true;
  }
  return false;
}

void runtime_core::visit_runnable(void (*visit)(goroutine*, void*), void* argument) noexcept {
  tsan_blind blind;
  visitors_.fetch_add(1, std::memory_order_seq_cst);
  in_hand_.fetch_add(1, std::memory_order_seq_cst);  // nobody takes what is out for gone
  const auto show = [&](const goroutine_list& l) {
    for (goroutine* g = l.first; g != nullptr; g = g->next) visit(g, argument);
  };
  if (const phase p = phase_.load(std::memory_order_seq_cst); p != phase::stopped) {
    goroutine_list out;
    {
      std::lock_guard guard(global_lock_);
      out.append(global_woken_);
      note_left_global_locked(out.count);
      publish_global_locked();
    }
    worker* here = current_worker();
    for (unsigned i = 0; i < made_.load(std::memory_order_acquire); ++i) {
      worker* w = at(i);
      loot l;
      if (w == here) {
        w->queue.take_own_woken(l);
        show(l.woken);
        w->queue.push_loot(l);
      } else if (w->queue.take_woken_by_force(l)) {
        out.append(l.woken);
      }
    }
    show(out);
    if (out.count != 0) {
      {
        std::lock_guard guard(global_lock_);
        const std::uint64_t n = out.count;
        out.append(global_woken_);
        global_woken_ = out;
        publish_global_locked();
        note_arrived_global_locked(n);
      }
      full_fence();
      work_added();
    }
  }
  in_hand_.fetch_sub(1, std::memory_order_seq_cst);
  visitors_.fetch_sub(1, std::memory_order_seq_cst);
}

}  // namespace weft::detail
