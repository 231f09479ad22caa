// How much stack goroutines use, by their names.
//
// A runtime that measures marks each of its goroutines as one that its end has to look after. Their
// records are the process's, like names: a run's marks are there after it.
// Proved by: tests/conformance/stack_marks_test.cpp.
#include <algorithm>
#include <map>
#include <mutex>
#include <ostream>
#include <string>
#include <vector>

#include "runtime/runtime.hpp"
#include "stack/stack_use.hpp"

namespace weft {
namespace detail {

namespace {

constexpr std::size_t most_names = 1000;

using mark_map = std::map<std::string, stack_mark, std::less<>>;

constinit std::mutex marks_lock;  // guards marks()
mark_map& marks() {
  static auto* const all = new mark_map;  // static destructors may still use it
  return *all;
}

void add(mark_map& to, std::string name, std::size_t used, std::size_t size) {
  if (to.size() >= most_names && !to.contains(name)) name = "(others)";
  stack_mark& mark = to[name];
  mark.name = std::move(name);
  ++mark.goroutines;
  if (used > mark.most) {
    mark.most = used;
    mark.size = size;
  }
}

std::size_t use_of(runtime_core& core, goroutine* g) noexcept {
  char* low = core.stacks().low_end(g);
  return used_of_stack(low, low + core.stacks().stack_size());
}

}  // namespace

// Apart from what allocates: its own frames lie on the stack that it measures.
[[gnu::noinline]] void note_stack_use(runtime_core& core, goroutine* self) noexcept {
  tsan_blind blind;
  const std::size_t used = use_of(core, self);
  try {
    std::string name = name_of(self);
    std::lock_guard guard(marks_lock);
    add(marks(), std::move(name), used, core.stacks().stack_size());
  } catch (...) {
    // Without memory there is one measurement less.
  }
}

}  // namespace detail

using namespace detail;

std::vector<stack_mark> stack_marks() {
  tsan_blind blind;
  mark_map all;
  {
    std::lock_guard guard(marks_lock);
    all = marks();
  }
  for (stack_pool* pool = stack_pool::first_pool(); pool != nullptr; pool = pool->next_pool()) {
    pool->for_each_block([&](void* block) {
      auto* g = static_cast<goroutine*>(block);
      if (g->state.load(std::memory_order_acquire) == goroutine_state::none) return;
      runtime_core* core = g->core.load(std::memory_order_relaxed);
      if (core == nullptr || !core->settings().measure_stacks) return;
      add(all, name_of(g), use_of(*core, g), core->stacks().stack_size());
    });
  }
  std::vector<stack_mark> result;
  for (auto& [name, mark] : all) result.push_back(std::move(mark));
  std::sort(result.begin(), result.end(), [](const stack_mark& a, const stack_mark& b) {
    return a.most != b.most ? a.most > b.most : a.name < b.name;
  });
  return result;
}

void dump_stack_marks(std::ostream& out) {
  for (const stack_mark& m : stack_marks()) {
    out << m.most << " of " << m.size << " bytes: ";
    if (m.name.empty()) {
      out << "those without a name";
    } else {
      out << '"' << m.name << '"';
    }
    out << ", " << m.goroutines << (m.goroutines == 1 ? " goroutine\n" : " goroutines\n");
  }
}

}  // namespace weft
