// What operations on the model's memory do: values, buffers, happens-before, lifetimes, and their
// places in the partial order of the execution.
#include <algorithm>
#include <cstdio>

#include "model/engine.hpp"

extern "C" const char __executable_start;  // by the linker

namespace weft_model {

namespace {

bool acquires(std::memory_order o) {
  return o == std::memory_order_acquire || o == std::memory_order_acq_rel ||
         o == std::memory_order_seq_cst;
}
bool releases(std::memory_order o) {
  return o == std::memory_order_release || o == std::memory_order_acq_rel ||
         o == std::memory_order_seq_cst;
}

// Stands for what has no address.
const char all_fences = 0;

}  // namespace

// ---- Places for a switch ------------------------------------------------------------------------

void engine::step(const char* what, const void* address, bool empties_buffer, const void* from) {
  if (++steps_ > limits_.steps) fail("too many steps: an endless loop without spin()?");
  next_step(self());
  // What only this thread uses commutes with all that others do, if no buffered store leaves.
  if (!limits_.reduce || (address == nullptr ? !empties_buffer : shared_.contains(address)) ||
      (empties_buffer && !self().buffer.empty())) {
    reschedule();
    if (address != nullptr) let_out(address);
  }
  if (tracing_) trace_step(what, address, from);
  if (address == nullptr || what == waking) return;  // the kernel only hashes that address
  if (arena::is_freed(address)) fail("touched after it was freed");
  if (cells_[address].dead) fail("touched after its end");
}

// When a buffered store leaves its buffer matters to others only when they come to the same
// address: so that is when it is decided.
void engine::let_out(const void* address) {
  for (unsigned i = 0; i < threads_.size(); ++i) {
    model_thread& t = threads_[i];
    if (static_cast<int>(i) == current_) continue;
    for (std::size_t k = t.buffer.size(); k-- > 0;) {
      if (t.buffer[k].address != address) continue;
      if (choose(2) == 0) {
        for (std::size_t n = 0; n <= k; ++n) flush_one(t);
        break;
      }
    }
  }
}

// ---- The partial order --------------------------------------------------------------------------

void engine::note_use(cell& c, bool writes) {
  const auto me = static_cast<std::uint8_t>(1u << current());
  c.used_by |= me;
  if (writes) c.written_by |= me;
  const bool by_several = (c.used_by & (c.used_by - 1)) != 0;
  if (by_several && c.written_by != 0 && !shared_.contains(c.key) &&
      std::find(found_.begin(), found_.end(), c.key) == found_.end()) {
    found_.push_back(c.key);
  }
}

void engine::note_read(model_thread& t, cell& c) {
  t.hash = mix(mix(t.hash, reinterpret_cast<std::uintptr_t>(c.key)), c.last_write);
  c.reads += t.hash;  // reads commute
}

void engine::note_write(model_thread& t, cell& c, std::uint64_t kind) {
  t.hash = mix(mix(t.hash, reinterpret_cast<std::uintptr_t>(c.key) + kind), c.last_write + c.reads);
  c.last_write = t.hash;
  c.reads = 0;
}

// A thread that spins waits for a change of what it has looked at; its own are none.
void engine::note_look(model_thread& t, const cell& c, bool only_again) {
  const auto known = std::find_if(t.looks.begin(), t.looks.end(),
                                  [&](const look& l) { return l.address == c.key; });
  if (known != t.looks.end()) {
    known->last_write = c.last_write;
  } else if (!only_again) {
    t.looks.push_back({c.key, c.last_write});
  }
}

// ---- Loads and stores ---------------------------------------------------------------------------

std::uint64_t engine::load(const std::uint64_t* address, std::memory_order order) {
  if (!is_inside()) return *address;
  model_thread& me = self();
  for (auto it = me.buffer.rbegin(); it != me.buffer.rend(); ++it) {
    if (it->address != address) continue;
    me.hash = mix(me.hash, 6);  // each step is another state
    return it->value;
  }
  if (!me.buffer.empty() && me.loaded_at == 0 && shared_.contains(address)) me.loaded_at = slices_;
  read_locked(address, order);
  return *address;
}

void engine::read_locked(const std::uint64_t* address, std::memory_order order) {
  if (!is_inside()) return;
  cell& c = cells_[address];
  receive(c, order);
  note_use(c, false);
  note_read(self(), c);
  note_look(self(), c, false);
}

void engine::receive(cell& c, std::memory_order order) {
  model_thread& me = self();
  me.seen.join(c.message);
  if (acquires(order)) me.clock.join(c.message);
}

// What a store passes on; the thread's later accesses are not among it.
vector_clock engine::message_of(model_thread& t, std::memory_order order) {
  const vector_clock message = releases(order) ? t.clock : t.at_fence;
  next_step(t);
  return message;
}

void engine::store(std::uint64_t* address, std::uint64_t value, std::memory_order order) {
  if (!is_inside()) {
    if (!arena::contains(address)) keep_static(cells_[address], address);
    *address = value;
    return;
  }
  model_thread& me = self();
  if (order == std::memory_order_seq_cst) flush_own();
  buffered_store s{address, value, message_of(me, order), 0};
  bool stays = !me.buffer.empty();  // stores leave in their order
  if (!stays && order != std::memory_order_seq_cst && delayed_ < limits_.delayed_stores &&
      (!limits_.reduce || shared_.contains(address)) && choose(2) == 1) {
    ++delayed_;
    stays = true;
    if (tracing_) trace_ += "    (stays in the buffer)\n";
  }
  note_use(cells_[address], true);
  if (stays) {
    s.hash = me.hash = mix(me.hash, reinterpret_cast<std::uintptr_t>(address));
    me.buffer.push_back(s);
    return;
  }
  s.hash = me.hash;
  me.hash = write(me, s);
}

// What is not made anew for each execution is given its value of before.
void engine::keep_static(cell& c, std::uint64_t* address) {
  if (c.kept || arena::contains(address)) return;
  c.kept = true;
  statics_.push_back({address, *address});
}

// Gives the write's place in the partial order.
std::uint64_t engine::write(model_thread& t, const buffered_store& s) {
  cell& c = cells_[s.address];
  keep_static(c, s.address);
  *s.address = s.value;
  c.message = s.message;
  const std::uint64_t before = std::exchange(t.hash, s.hash);
  note_write(t, c, 1);
  note_look(t, c, true);
  return std::exchange(t.hash, before);
}

void engine::flush(model_thread& t) {
  while (!t.buffer.empty()) flush_one(t);
}
// What can be seen of a store that waits is that a load of its thread comes before it. Where nobody
// else has run since such a load, the store could as well have been made later.
void engine::flush_own() {
  model_thread& me = self();
  if (me.buffer.empty()) return;
  if (limits_.reduce && (me.loaded_at == 0 || me.loaded_at == slices_)) cut_short();
  flush(me);
}
void engine::flush_one(model_thread& t) {
  const buffered_store s = t.buffer.front();
  t.buffer.erase(t.buffer.begin());
  if (t.buffer.empty()) t.loaded_at = 0;
  if (s.address == nullptr) return;
  t.flushes = mix(t.flushes, write(t, s));
}

std::uint64_t engine::peek(const std::uint64_t* address) {
  if (is_inside()) flush_own();
  return *address;
}

void engine::write_locked(std::uint64_t* address, std::uint64_t value, std::memory_order order) {
  if (!is_inside()) {
    if (!arena::contains(address)) keep_static(cells_[address], address);
    *address = value;
    return;
  }
  model_thread& me = self();
  cell& c = cells_[address];
  keep_static(c, address);
  *address = value;
  receive(c, order);
  // A locked instruction passes on what the store before it has released.
  c.message.join(message_of(me, order));
  note_use(c, true);
  note_write(me, c, 1);
  note_look(me, c, false);
}

// ---- Fences -------------------------------------------------------------------------------------

void engine::fence(model_thread& t) {
  flush(t);
  t.clock.join(t.seen);
  t.clock.join(fences_);
  fences_.join(t.clock);
  t.at_fence = t.clock;
  next_step(t);
}

void engine::full_fence() {
  flush_own();
  note_write(self(), cells_[&all_fences], 1);
  fence(self());
}

void engine::heavy_barrier() {
  flush_own();
  model_thread& me = self();
  note_write(me, cells_[&all_fences], 2);
  fence(me);
  for (model_thread& t : threads_) {
    fence(t);
    if (&t != &me) t.hash = mix(t.hash, me.hash);
  }
  fence(me);
}

// ---- Plain data and lifetimes -------------------------------------------------------------------

void engine::plain_access(const void* address) {
  if (!is_inside()) return;
  if (arena::is_freed(address)) fail("touched after it was freed");
  model_thread& me = self();
  cell& c = cells_[address];
  if (c.is_plain && c.plain_thread != current() && c.plain_step > me.clock.steps[c.plain_thread]) {
    fail("a data race");
  }
  c.is_plain = true;
  c.plain_thread = current();
  c.plain_step = me.clock.steps[current()];
}

// Frames are used again, by the same thread.
void engine::begin_life(const void* address) {
  cell& c = cells_[address];
  c.dead = false;
  c.is_plain = false;
  c.message = {};
}

void engine::end_life(const void* address) {
  model_thread& me = self();
  note_use(cells_[address], true);
  for (model_thread& t : threads_) {
    for (buffered_store& s : t.buffer) {
      if (s.address != address) continue;
      if (&t != &me) fail("a store to what is at its end");
      s.address = nullptr;
    }
  }
  cell& c = cells_[address];
  note_write(me, c, 3);
  c.dead = true;
}

// ---- Traces -------------------------------------------------------------------------------------

void engine::name(const void* address, std::size_t size, const char* what) {
  names_.push_back({static_cast<const char*>(address), size, what});
}

void engine::trace_step(const char* what, const void* address, const void* from) {
  char line[160];
  // As addr2line wants it: see tools/model-trace.
  const auto code = static_cast<std::size_t>(static_cast<const char*>(from) - &__executable_start);
  const auto* at = static_cast<const char*>(address);
  const auto named = std::find_if(names_.begin(), names_.end(), [&](const auto& n) {
    return at >= n.begin && at < n.begin + n.size;
  });
  if (named != names_.end()) {
    std::snprintf(line, sizeof line, "  thread %d: %s %s+%zu  (0x%zx)\n", current_, what, named->what,
                  static_cast<std::size_t>(at - named->begin), code);
  } else {
    auto known = std::find(addresses_.begin(), addresses_.end(), address);
    if (known == addresses_.end()) known = addresses_.insert(known, address);
    std::snprintf(line, sizeof line, "  thread %d: %s #%zd  (0x%zx)\n", current_, what,
                  known - addresses_.begin(), code);
  }
  trace_ += line;
}

}  // namespace weft_model
