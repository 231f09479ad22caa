// The values of goroutine_local.
//
// A goroutine_local has a slot, which is used again after it, and an id, which is not. A goroutine
// has, from its first value on, a table: by slot, whose value stands there; and all its values in a
// list, newest first. A value of a goroutine_local that is gone loses its slot to the next one and
// stays in the list until its goroutine ends.
//
// own: a table is touched by its goroutine or thread only, so there is no lock but that of the slots.
// Proved by: tests/conformance/goroutine_local.cpp.
#include "sched/locals.hpp"

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <vector>

#include "sched/core.hpp"
#include "weft/goroutine_local.hpp"

namespace weft::detail {

struct local_table {
  struct entry {
    std::uint64_t id = 0;
    local_value* value = nullptr;
  };
  local_value* newest = nullptr;
  std::vector<entry> entries;
};

namespace {

constexpr std::size_t most_remade = 1000;  // values that destructors of others make anew

struct slots {
  std::vector<std::uint32_t> free;
  std::uint32_t used = 0;
};
constinit spin_lock slots_lock;
constinit std::uint64_t ids = 0;  // guarded by it

slots& all_slots() {
  static auto* all = new slots;  // never destroyed: keys may be static
  return *all;
}

local_table*& table_of_caller() noexcept {
  worker* w = current_worker();
  return w != nullptr && w->current != nullptr ? w->current->locals : *thread_locals();
}

void end_table(local_table*& place) noexcept {
  local_table* table = place;
  std::size_t left = most_remade;
  for (const local_value* v = table->newest; v != nullptr; v = v->older) ++left;
  while (local_value* v = table->newest) {
    if (left-- == 0) {
      std::fputs("weft: destructors of goroutine_locals make each other anew for ever\n", stderr);
      std::abort();
    }
    table->newest = v->older;
    local_table::entry& e = table->entries[v->slot];
    if (e.value == v) e = {};
    v->destroy(v);  // may wait, and add to the table
  }
  place = nullptr;
  delete table;
}

}  // namespace

local_key make_local_key() {
  slots& all = all_slots();
  std::lock_guard guard(slots_lock);
  if (!all.free.empty()) {
    const std::uint32_t slot = all.free.back();
    all.free.pop_back();
    return {slot, ++ids};
  }
  all.free.reserve(all.used + 1);  // so that giving back does not allocate
  return {all.used++, ++ids};
}

void drop_local_key(local_key key) noexcept {
  slots& all = all_slots();
  std::lock_guard guard(slots_lock);
  all.free.push_back(key.slot);
}

local_value* find_local(const local_key& key) noexcept {
  tsan_blind blind;
  const local_table* table = table_of_caller();
  if (table == nullptr || key.slot >= table->entries.size()) return nullptr;
  const local_table::entry& e = table->entries[key.slot];
  return e.id == key.id ? e.value : nullptr;
}

void keep_local(const local_key& key, local_value* value) {
  tsan_blind blind;
  local_table*& table = table_of_caller();
  if (table == nullptr) table = new local_table;
  if (worker* w = current_worker(); w != nullptr && w->current != nullptr) {
    w->current->has_extras = true;
  }
  if (key.slot >= table->entries.size()) table->entries.resize(key.slot + 1);
  table->entries[key.slot] = {key.id, value};
  value->slot = key.slot;
  value->older = table->newest;
  table->newest = value;
}

void end_locals(goroutine* self) noexcept {
  if (self->locals == nullptr) return;
  ++self->exit_guards;  // nothing may be thrown from a destructor
  end_table(self->locals);
  --self->exit_guards;
}

// By src/switch, when a thread that has values exits.
void end_thread_locals() noexcept {
  local_table*& table = *thread_locals();
  if (table != nullptr) end_table(table);
}

}  // namespace weft::detail
