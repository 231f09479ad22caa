#include "model/engine.hpp"

#include <cxxabi.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace weft_model {

namespace {

constexpr std::size_t stack_bytes = 256 << 10;
constexpr std::size_t guard_bytes = 4096;
constexpr unsigned most_idle_hours = 6;

// The compiler may not keep this: it differs from thread to thread of the model.
[[gnu::noipa]] void** exception_globals() {
  return reinterpret_cast<void**>(abi::__cxa_get_globals());
}

}  // namespace

engine* engine::active = nullptr;

engine::engine(const limits& l, const std::function<void(scenario&)>& make) : limits_(l), make_(make) {
  void* p = mmap(nullptr, most_threads * stack_bytes, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) std::abort();
  stacks_ = static_cast<char*>(p);
  for (unsigned i = 0; i < most_threads; ++i) {
    mprotect(stacks_ + i * stack_bytes, guard_bytes, PROT_NONE);
  }
}
engine::~engine() {
  restore_statics();
  munmap(stacks_, most_threads * stack_bytes);
}

outcome engine::run() {
  outcome result;
  for (;;) {
    run_once();
    ++result.executions;
    if (was_cut_) ++result.cut_short;
    if (!failure_.empty()) {
      result.failure = failure_.c_str();
      tracing_ = true;
      run_once();
      result.trace = trace_.c_str();
      result.shared_words = shared_.size();
      return result;
    }
    if (result.executions >= limits_.executions) return result;
    if (limits_.reduce && !found_.empty()) {
      // There are more places for a switch than were thought: from the beginning, with them.
      for (const void* word : found_) shared_[word];
      choices_.clear();
      std::fill(states_.begin(), states_.end(), 0);
      state_count_ = 0;
      continue;
    }
    while (!choices_.empty() && choices_.back().taken + 1 == choices_.back().options) {
      choices_.pop_back();
    }
    if (choices_.empty()) {
      result.complete = true;
      result.shared_words = shared_.size();
      return result;
    }
    ++choices_.back().taken;
  }
}

void engine::restore_statics() {
  for (const kept_value& k : statics_) *k.address = k.value;
  statics_.clear();
}

void engine::run_once() {
  arena::begin();
  restore_statics();
  threads_.clear();
  threads_.reserve(most_threads);
  end_ = nullptr;
  cells_.clear();
  found_.clear();
  names_.clear();
  addresses_.clear();
  trace_.clear();
  failure_.clear();
  fences_ = {};
  depth_ = 0;
  slices_ = 0;
  steps_ = preempted_ = delayed_ = timeouts_ = at_rest_ = idle_hours_ = 0;
  hours_ = 1;
  was_cut_ = false;
  current_ = -1;
  void** globals = exception_globals();
  scenario s;
  make_(s);
  next_ = -1;
  if (failure_.empty() && pick_next()) {
    while (next_ >= 0) {
      current_ = next_;
      std::memcpy(globals, self().exceptions, sizeof self().exceptions);
      const context::transfer_t back = context::jump_fcontext(self().at, this);
      if (!failure_.empty() || was_cut_) break;
      std::memcpy(self().exceptions, globals, sizeof self().exceptions);
      self().at = back.fctx;
    }
  }
  globals[0] = globals[1] = nullptr;  // an execution that was left may have been in a catch block
  current_ = -1;
  if (failure_.empty() && !was_cut_) {
    for (model_thread& t : threads_) flush(t);
    try {
      if (end_ != nullptr) (*end_)();
    } catch (const std::runtime_error&) {  // noted in failure_
    }
  }
  if (failure_.empty() && !was_cut_ && depth_ != choices_.size()) {
    failure_ = "the scenario is not repeatable";
  }
  arena::end();
}

// ---- Threads -----------------------------------------------------------------------------------

unsigned engine::start_thread(std::function<void()> body, bool resident) {
  const auto number = static_cast<unsigned>(threads_.size());
  if (number == most_threads) fail("too many threads");
  threads_.emplace_back();
  model_thread& t = threads_.back();
  t.body = new std::function<void()>(std::move(body));
  t.resident = resident;
  t.hash = mix(number, 1);
  if (is_inside()) {
    t.clock = self().clock;
    t.hash = mix(self().hash, number);
    next_step(self());
  }
  t.clock.steps[number] = 1;
  char* top = stacks_ + (number + 1) * stack_bytes;
  t.at = context::make_fcontext(top, stack_bytes - guard_bytes, &enter);
  return number;
}

void engine::set_end(std::function<void()> check) {
  end_ = new std::function<void()>(std::move(check));
}

void engine::enter(context::transfer_t from) {
  auto* self = static_cast<engine*>(from.data);
  self->home_ = from.fctx;
  (*self->self().body)();
  model_thread& me = self->self();
  me.state = thread_state::finished;  // what is in its buffer leaves it when it likes
  for (model_thread& t : self->threads_) {
    if (t.state == thread_state::blocked && t.waits_for == &me) t.state = thread_state::ready;
  }
  self->pick_next();
  context::jump_fcontext(self->home_, nullptr);
  std::abort();
}

void engine::join(unsigned number) {
  model_thread& other = threads_[number];
  flush(self());
  while (other.state != thread_state::finished) {
    self().waits_for = &other;
    self().may_time_out = false;
    self().state = thread_state::blocked;
    reschedule();
  }
  flush(other);
  self().clock.join(other.clock);
  self().hash = mix(self().hash, other.hash);
}

// Nobody comes back to an execution that is left.
void engine::leave() {
  context::jump_fcontext(home_, nullptr);
  std::abort();
}

void engine::cut_short() {
  was_cut_ = true;
  leave();
}

void engine::fail(const char* what) {
  if (failure_.empty()) failure_ = what;
  if (!is_inside()) throw std::runtime_error(what);  // by the check at the end
  leave();
}

// ---- Choices -----------------------------------------------------------------------------------

unsigned engine::choose(unsigned n) {
  if (n == 1) return 0;
  if (depth_ == choices_.size()) choices_.push_back({0, n});
  choice& c = choices_[depth_++];
  if (c.options != n) {
    failure_ = "the scenario is not repeatable";
    return 0;
  }
  if (is_inside()) self().hash = mix(self().hash, 100 + c.taken);
  return c.taken;
}

// Who goes on, of n > 1. Where the state is a known one nothing new can come.
unsigned engine::pick_option(unsigned n, bool goes_on) {
  if (depth_ == choices_.size()) {
    if (limits_.reduce && is_known(state_hash(goes_on))) {
      was_cut_ = true;
      return n;
    }
    choices_.push_back({0, n});
  }
  choice& c = choices_[depth_++];
  if (c.options != n) failure_ = "the scenario is not repeatable";
  return std::min(c.taken, n - 1);
}

// What decides everything that can follow: what each thread has done and seen, what is still in
// buffers, who could go on, the bounds that are left. Also whether the current thread goes on: one that
// has just been let time out may be chosen where it waited, and its next step is a state of its own.
std::uint64_t engine::state_hash(bool goes_on) {
  std::uint64_t h = mix(current(), preempted_ | delayed_ << 8 | timeouts_ << 16 | at_rest_ << 24);
  h = mix(h, static_cast<std::uint64_t>(hours_) << 1 | static_cast<std::uint64_t>(goes_on));
  for (model_thread& t : threads_) {
    const auto enabled = static_cast<std::uint64_t>(is_enabled(t));
    h = mix(h, t.hash);
    h = mix(h, t.flushes);
    h = mix(h, static_cast<std::uint64_t>(t.state) | enabled << 8 | t.buffer.size() << 16);
    if (t.state == thread_state::spinning) {
      h = mix(h, starved_by(t, t.spun_at[0]) | starved_by(t, t.spun_at[1]) << 8);
    }
  }
  return h == 0 ? 1 : h;
}

bool engine::is_known(std::uint64_t state) {
  if (2 * (state_count_ + 1) > states_.size()) {
    list<std::uint64_t> bigger(states_.empty() ? 1 << 16 : 2 * states_.size());
    for (const std::uint64_t s : states_) {
      if (s == 0) continue;
      std::size_t at = s & (bigger.size() - 1);
      while (bigger[at] != 0) at = (at + 1) & (bigger.size() - 1);
      bigger[at] = s;
    }
    states_.swap(bigger);
  }
  std::size_t at = state & (states_.size() - 1);
  while (states_[at] != 0 && states_[at] != state) at = (at + 1) & (states_.size() - 1);
  if (states_[at] == state) return true;
  states_[at] = state;
  ++state_count_;
  return false;
}

// The current thread may be left for another.
void engine::reschedule() {
  const int me = current_;
  pick_next();
  if (next_ == me) return;
  const context::transfer_t back = context::jump_fcontext(home_, nullptr);
  home_ = back.fctx;
}

bool engine::could_go_on(const model_thread& t) {
  if (t.state == thread_state::ready) return true;
  if (t.state != thread_state::spinning) return false;
  if (t.saw_hours >= 0 && t.saw_hours != hours_) return true;
  return std::any_of(t.looks.begin(), t.looks.end(), [&](const look& l) {
    return cells_[l.address].last_write != l.last_write;
  });
}

// The threads that can go on and have not since then.
unsigned engine::starved_by(const model_thread& spinning, std::uint64_t since) {
  unsigned all = 0;
  for (unsigned i = 0; i < threads_.size(); ++i) {
    const model_thread& t = threads_[i];
    if (&t != &spinning && t.last_ran < since && could_go_on(t)) all |= 1u << i;
  }
  return all;
}

// Two that spin, each on what the other writes, must not keep the rest from going on for ever: who
// has spun twice lets those run first who have not run meanwhile (as CHESS's fair schedules do).
bool engine::is_enabled(const model_thread& t) {
  if (!could_go_on(t)) return false;
  return t.state == thread_state::ready || t.spun_at[0] == 0 || starved_by(t, t.spun_at[0]) == 0;
}

// Decides on next_; false and -1 when all have finished, on a failure, or when nothing new can come.
bool engine::pick_next() {
  // Who spins or waits leaves of its own accord, also if its wait times out in here.
  const bool goes_on = current_ >= 0 && self().state == thread_state::ready;
  for (;;) {
    option options[2 * most_threads];
    unsigned n = 0;
    if (goes_on) options[n++] = {false, current()};
    const bool may_preempt = !goes_on || preempted_ < limits_.preemptions;
    for (unsigned i = 0; i < threads_.size() && may_preempt; ++i) {
      if (goes_on && static_cast<int>(i) == current_) continue;
      if (is_enabled(threads_[i])) options[n++] = {false, i};
    }
    // Stores leave their buffers long before a limit comes.
    const bool at_rest =
        n == 0 && std::all_of(threads_.begin(), threads_.end(),
                              [](const model_thread& t) { return t.buffer.empty(); });
    for (unsigned i = 0; i < threads_.size(); ++i) {
      const model_thread& t = threads_[i];
      if (t.state == thread_state::blocked && t.may_time_out &&
          (timeouts_ < limits_.timeouts || (at_rest && !t.resident))) {
        options[n++] = {true, i};
      }
    }
    next_ = -1;
    if (n == 0) {
      bool any = false;
      for (model_thread& t : threads_) {
        any |= !t.buffer.empty();
        flush(t);
      }
      if (any) continue;
      const bool somebody_reads_the_clock =
          std::any_of(threads_.begin(), threads_.end(), [](const model_thread& t) {
            return t.state == thread_state::spinning && t.saw_hours >= 0;
          });
      if (somebody_reads_the_clock && idle_hours_ < most_idle_hours) {
        ++idle_hours_;
        ++hours_;
        continue;
      }
      if (one_of_resting_times_out()) continue;
      const bool all_done = std::all_of(threads_.begin(), threads_.end(), [](const model_thread& t) {
        return t.state == thread_state::finished || t.resident;
      });
      if (!all_done) failure_ = "nobody can go on";
      return false;
    }
    const unsigned taken = n == 1 ? 0 : pick_option(n, goes_on);
    if (was_cut_ || !failure_.empty()) return false;
    model_thread& t = threads_[options[taken].thread];
    if (options[taken].times_out) {
      ++timeouts_;
      ++hours_;
      t.state = thread_state::ready;
      t.timed_out = true;
      t.hash = mix(t.hash, 2);
      continue;
    }
    if (goes_on && static_cast<int>(options[taken].thread) != current_) ++preempted_;
    t.state = thread_state::ready;
    t.last_ran = ++slices_;
    next_ = static_cast<int>(options[taken].thread);
    return true;
  }
}

bool engine::one_of_resting_times_out() {
  if (at_rest_ >= limits_.timeouts_at_rest) return false;
  unsigned resting[most_threads];
  unsigned n = 0;
  for (unsigned i = 0; i < threads_.size(); ++i) {
    if (threads_[i].state == thread_state::blocked && threads_[i].may_time_out) resting[n++] = i;
  }
  if (n == 0) return false;
  const unsigned taken = n == 1 ? 0 : pick_option(n, false);
  if (was_cut_ || !failure_.empty()) return true;
  model_thread& t = threads_[resting[taken]];
  ++at_rest_;
  ++hours_;
  t.state = thread_state::ready;
  t.timed_out = true;
  t.hash = mix(t.hash, 3);
  return true;
}

// ---- Waiting -----------------------------------------------------------------------------------

void engine::spin() {
  model_thread& me = self();
  if (me.looks.empty() && me.saw_hours < 0) return;
  for (unsigned i = 0; i < threads_.size(); ++i) {
    // What it waits for may be in a buffer.
    model_thread& t = threads_[i];
    const bool awaited = static_cast<int>(i) != current_ &&
                         std::any_of(t.buffer.begin(), t.buffer.end(), [&](const buffered_store& s) {
                           return std::any_of(me.looks.begin(), me.looks.end(), [&](const look& l) {
                             return l.address == s.address;
                           });
                         });
    if (awaited && choose(2) == 0) flush(t);
  }
  me.state = thread_state::spinning;
  me.spun_at[0] = std::exchange(me.spun_at[1], slices_);
  reschedule();
  me.looks.clear();
  me.saw_hours = -1;
}

std::int64_t engine::now() {
  if (!is_inside()) return hours_ * hour;
  if (timeouts_ < limits_.timeouts && choose(2) == 1) {
    ++timeouts_;
    ++hours_;
  }
  self().hash = mix(self().hash, static_cast<std::uint64_t>(hours_));
  self().saw_hours = hours_;
  return hours_ * hour;
}

bool engine::block(const std::uint64_t* address, std::uint64_t expected, bool may_time_out) {
  model_thread& me = self();
  flush_own();  // a system call
  cell& c = cells_[address];
  note_use(c, true);
  note_write(me, c, 4);
  if (*address != expected) return true;
  me.waits_for = address;
  me.may_time_out = may_time_out;
  me.timed_out = false;
  me.state = thread_state::blocked;
  reschedule();
  return !me.timed_out;
}

void engine::unblock(const void* address, int count) {
  model_thread& me = self();
  flush_own();
  cell& c = cells_[address];
  note_use(c, true);
  note_write(me, c, 5);
  for (model_thread& t : threads_) {
    if (count == 0) return;
    if (t.state != thread_state::blocked || t.waits_for != address) continue;
    t.state = thread_state::ready;
    t.hash = mix(t.hash, me.hash);
    --count;
  }
}

}  // namespace weft_model
