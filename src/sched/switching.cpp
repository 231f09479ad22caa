// Where goroutines begin and end.
#include "sched/locals.hpp"
#include "sched/switching.hpp"
#include "stack/stack_use.hpp"

namespace weft::detail {

namespace {

void commit_end(worker* w, goroutine* from, void*) noexcept {
  tsan_blind blind;
  w->core->free_stack(w, from);
}

#if !WEFT_TSAN && !WEFT_ASAN
// Below the address of a local, at most: the rest of the frame, and what it calls.
constexpr std::ptrdiff_t used_by_calls = 1024;
#endif

// What most goroutines do not have.
[[gnu::noinline, gnu::cold]] void end_extras(goroutine* self) noexcept {
  end_locals(self);  // may wait: the worker is another after it
  if (self->pins != 0) {
    // A pinned object that was leaked.
    self->pins = 0;
    worker* w = current_worker();
    w->core->unpin(w, self);
  }
  runtime_core& core = *self->core.load(std::memory_order_relaxed);
  const bool measures = core.settings().measure_stacks;
  if (measures) note_stack_use(core, self);
  tsan_blind blind;
  if (self->name != nullptr) forget_name(self);
  self->has_extras = measures;
#if !WEFT_TSAN && !WEFT_ASAN
  if (measures) {
    // Another may follow on this stack. What lies above this frame is goroutine_main's, and stays.
    char* here = static_cast<char*>(__builtin_frame_address(0));
    forget_stack_use(core.stacks().low_end(self), here - used_by_calls);
  }
#endif
}

// One that begins while its run ends. Apart from run_birth, which would have to save more registers.
[[gnu::noinline, gnu::cold]] seed_action late_birth(goroutine* self, runtime_core& core) noexcept {
  // Nothing unwinds before all waits are decided, callables that never ran included.
  core.wait_until_decided();
  if (self->kind != seed_kind::resumption) ++self->exit_guards;
  return self->kind == seed_kind::user ? seed_action::discard : seed_action::run;
}

// Runs what the goroutine was made for. Not inlined: nothing that it computed from the worker may
// live on in the frame of goroutine_main.
[[gnu::noinline]] void run_birth(worker* w, goroutine* self) noexcept {
  seed* s = self->birth;
  seed_action action = seed_action::run;
  if (w->core->is_ending()) [[unlikely]] action = late_birth(self, *w->core);
  try {
    s->invoke(s, w, action);
  } catch (const goroutine_exit&) {
  } catch (...) {
    handle_uncaught(self, *self->core.load(std::memory_order_relaxed));
  }
  if (self->has_extras) [[unlikely]] end_extras(self);
}

[[noreturn]] WEFT_NO_TSAN void goroutine_main(switch_result t) noexcept {
  worker* w = arrive(t);
  goroutine* self = w->current;
  for (;;) {
    order_after(self->birth);
    run_birth(w, self);
    w = current_worker();
    order_before(w->core->order_of_ends());
    tsan_blind::begin();
    w->ended.store(w->ended.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    runtime_core& core = *w->core;
    if (core.is_ending()) [[unlikely]] core.note_end(w);
    runnable next = core.pick(w);
    goroutine* to = next.started;
    if (next.fresh != nullptr) {
#if !WEFT_TSAN && !WEFT_ASAN
      core.rebirth(w, self, next.fresh);
      if (thread_floating_control() != core.floating()) set_thread_floating_control(core.floating());
      continue;
#else
      to = core.bind(w, next.fresh);
#endif
    }
    switch_message message{w, self, to, &commit_end, nullptr};
    w->current = to;
    announce_switch(w, self, to, true);
    tsan_blind::end();
    jump_to(to != nullptr ? to->context : w->home, &message);
    __builtin_unreachable();
  }
}

}  // namespace

saved_context make_goroutine_context(goroutine* g, std::size_t stack_bytes) noexcept {
  return boost::context::detail::make_fcontext(g, stack_bytes, &goroutine_main);
}

void switch_from_home(worker* w, goroutine* to) noexcept {
  jump(w, nullptr, to, nullptr, nullptr);
}

}  // namespace weft::detail
