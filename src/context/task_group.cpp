// Task groups. One lock guards the count and two queues: of those that wait for a place, and of
// those that wait for the end.
//
// handed_over: who ends while somebody waits for a place gives that one its own, so `active` stays
//   and nobody who comes later gets in between.
// last_touch: the unlock in finish_task is a task's last touch of the group, which may be freed as
//   soon as a wait has seen no task left.
// Proved by: tests/conformance/task_group_test.cpp, tests/stress/context_stress.cpp.
#include "weft/task_group.hpp"

#include <mutex>
#include <stdexcept>

#include "base/spin_lock.hpp"
#include "park/park.hpp"

namespace weft::detail {

struct task_group_state {
  context ctx;
  cancel_function cancel;
  spin_lock lock;
  std::size_t active = 0;      // places taken
  std::ptrdiff_t limit = -1;   // negative: none
  node_list for_place;
  node_list for_end;
  std::exception_ptr first;

  bool is_full() const noexcept {
    return limit >= 0 && active >= static_cast<std::size_t>(limit);
  }
};

namespace {

void unlock_group(void* g) { static_cast<task_group_state*>(g)->lock.unlock(); }

// With the lock, which it lets go. Leaves by an exception if it was not a partner that ended it.
void wait_in(node_list& list, task_group_state& g, wait_scope& scope) {
  wait_node node;
  node.owner = scope.who();
  list.push_back(&node);
  const std::uint32_t won = scope.park(&unlock_group, &g, deadline::never());
  if (won == claim_case) return;
  g.lock.lock();
  if (node.where == wait_node::place::linked) list.remove(&node);
  g.lock.unlock();
  wait_scope::rethrow(won);
}

waiter* claim_first(node_list& list) noexcept {
  while (wait_node* n = list.first) {
    list.remove(n);
    waiter* owner = n->owner;
    if (owner->word.claim(claim_case)) return owner;
  }
  return nullptr;
}

}  // namespace

task_group_state* make_task_group(context parent) {
  auto [ctx, cancel] = with_cancel(std::move(parent));
  auto* g = new task_group_state;
  g->ctx = std::move(ctx);
  g->cancel = std::move(cancel);
  return g;
}

void end_task_group(task_group_state* g) noexcept {
  g->cancel();
  {
    exit_guard guard;
    for (wait_scope scope("task group");;) {
      g->lock.lock();
      if (g->active == 0) {
        g->lock.unlock();
        break;
      }
      try {
        wait_in(g->for_end, *g, scope);
      } catch (...) {
        // A deadlock: main may not throw here, and its end is as the runtime says.
      }
    }
  }
  delete g;
}

void limit_task_group(task_group_state& g, std::ptrdiff_t n) {
  std::lock_guard guard(g.lock);
  if (g.active != 0) {
    throw std::logic_error("weft::task_group::set_limit: tasks are running");
  }
  g.limit = n;
}

void begin_task(task_group_state& g) {
  wait_scope scope("task group's limit");
  g.lock.lock();
  if (!g.is_full()) {
    ++g.active;
    g.lock.unlock();
    return;
  }
  g.lock.unlock();
  scope.check_exit();
  g.lock.lock();
  if (!g.is_full()) {
    ++g.active;
    g.lock.unlock();
    return;
  }
  wait_in(g.for_place, g, scope);  // the place is handed over
}

bool try_begin_task(task_group_state& g) {
  std::lock_guard guard(g.lock);
  if (g.is_full()) return false;
  ++g.active;
  return true;
}

void fail_task(task_group_state& g, std::exception_ptr error) noexcept {
  {
    std::lock_guard guard(g.lock);
    if (g.first) return;
    g.first = error;
  }
  g.cancel(std::move(error));
}

void finish_task(task_group_state& g) noexcept {
  wake_list wakes;
  {
    std::lock_guard guard(g.lock);
    if (waiter* w = claim_first(g.for_place)) {
      wakes.add(w);
    } else if (--g.active == 0) {
      while (waiter* ended = claim_first(g.for_end)) wakes.add(ended);
    }
  }
  wakes.wake_all();
}

void wait_for_tasks(task_group_state& g) {
  wait_scope scope("task group");
  scope.check_exit();
  g.lock.lock();
  if (g.active != 0) {
    wait_in(g.for_end, g, scope);
    g.lock.lock();
  }
  std::exception_ptr error = g.first;
  g.lock.unlock();
  if (error) std::rethrow_exception(std::move(error));
}

const context& context_of(const task_group_state& g) noexcept { return g.ctx; }

}  // namespace weft::detail
