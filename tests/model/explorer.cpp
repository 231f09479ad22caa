#include "model/explorer.hpp"

#include <boost/context/detail/fcontext.hpp>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <memory>
#include <stdexcept>
#include <unordered_map>

namespace weft_model {

namespace context = boost::context::detail;

constexpr std::size_t stack_bytes = 128 << 10;

enum class thread_state { ready, spinning, blocked, finished };

constexpr std::size_t most_threads = 4;

// What happened before, as the number of steps of each thread.
struct vector_clock {
  std::uint32_t steps[most_threads] = {};
  void join(const vector_clock& other) {
    for (std::size_t i = 0; i < most_threads; ++i) steps[i] = std::max(steps[i], other.steps[i]);
  }
};

struct buffered_store {
  std::uint64_t* address;
  std::uint64_t value;
  vector_clock message;
};

// The last access to plain data.
struct access {
  unsigned thread;
  std::uint32_t step;
};

bool acquires(std::memory_order o) {
  return o == std::memory_order_acquire || o == std::memory_order_acq_rel ||
         o == std::memory_order_seq_cst;
}
bool releases(std::memory_order o) {
  return o == std::memory_order_release || o == std::memory_order_acq_rel ||
         o == std::memory_order_seq_cst;
}

struct model_thread {
  std::function<void()> body;
  context::fcontext_t at = nullptr;
  thread_state state = thread_state::ready;
  bool may_time_out = false;
  const void* waits_for = nullptr;
  std::deque<buffered_store> buffer;
  std::uint64_t looked_at = 0;   // writes_ at its first operation since its last spin
  bool has_looked = false;
  vector_clock clock;          // what happened before its next step
  vector_clock at_fence;       // at its last fence: what its relaxed stores publish
  vector_clock seen;           // by relaxed loads: a fence makes it happen before
};

struct choice {
  unsigned taken;
  unsigned options;
};

// A step that could come next: a thread goes on, or a blocked thread's limit is reached.
struct option {
  enum class kind : std::uint8_t { run, time_out } what;
  unsigned thread;
};

class engine {
 public:
  engine(const limits& l, const std::function<void(scenario&)>& make) : limits_(l), make_(make) {
    for (int i = 0; i < 8; ++i) stacks_.push_back(std::make_unique<char[]>(stack_bytes));
  }

  outcome run() {
    outcome result;
    for (;;) {
      run_once();
      ++result.executions;
      if (!failure_.empty()) {
        tracing_ = true;
        const std::string failure = failure_;
        run_once();
        result.failure = failure;
        result.trace = trace_;
        return result;
      }
      while (!choices_.empty() && choices_.back().taken + 1 == choices_.back().options) {
        choices_.pop_back();
      }
      if (choices_.empty()) {
        result.complete = true;
        return result;
      }
      ++choices_.back().taken;
      if (result.executions >= limits_.executions) return result;
    }
  }

  static engine* active;

  bool is_inside() const { return current_ >= 0; }
  model_thread& self() { return threads_[static_cast<unsigned>(current_)]; }

  void step(const char* what, const void* address) {
    if (++steps_ > limits_.steps) fail("too many steps: an endless loop without spin()?");
    model_thread& me = self();
    next_step(me);
    if (!me.has_looked) {
      me.has_looked = true;
      me.looked_at = writes_;
    }
    reschedule();
    let_out(address);
    if (tracing_) note(what, address);
  }

  // When a buffered store leaves its buffer matters to others only when they come to the same
  // address: so that is when it is decided.
  void let_out(const void* address) {
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

  void note(const char* what, const void* address) {
    auto known = std::find(addresses_.begin(), addresses_.end(), address);
    if (known == addresses_.end()) known = addresses_.insert(known, address);
    trace_ += "  thread " + std::to_string(current_) + ": " + what + " #" +
              std::to_string(known - addresses_.begin()) + "\n";
  }

  std::uint64_t load(const std::uint64_t* address, std::memory_order order) {
    if (!is_inside()) return *address;
    const auto& buffer = self().buffer;
    for (auto it = buffer.rbegin(); it != buffer.rend(); ++it) {
      if (it->address == address) return it->value;
    }
    receive(address, order);
    return *address;
  }

  void receive(const std::uint64_t* address, std::memory_order order) {
    const auto message = messages_.find(address);
    if (message == messages_.end()) return;
    model_thread& me = self();
    me.seen.join(message->second);
    if (acquires(order)) me.clock.join(message->second);
  }
  // What a store passes on; the thread's later accesses are not among it.
  vector_clock message_of(model_thread& t, std::memory_order order) {
    const vector_clock message = releases(order) ? t.clock : t.at_fence;
    next_step(t);
    return message;
  }
  void next_step(model_thread& t) { ++t.clock.steps[static_cast<std::size_t>(&t - &threads_[0])]; }

  void store(std::uint64_t* address, std::uint64_t value, std::memory_order order) {
    if (!is_inside()) {
      *address = value;
      return;
    }
    model_thread& me = self();
    const buffered_store s{address, value, message_of(me, order)};
    if (order == std::memory_order_seq_cst) {
      flush(me);
    } else if (!me.buffer.empty()) {  // stores leave in their order
      me.buffer.push_back(s);
      return;
    } else if (delayed_ < limits_.delayed_stores && choose(2) == 1) {
      ++delayed_;
      if (tracing_) trace_ += "    (stays in the buffer)\n";
      me.buffer.push_back(s);
      return;
    }
    write(s);
  }
  void write(const buffered_store& s) {
    *s.address = s.value;
    messages_[s.address] = s.message;
    ++writes_;
  }

  void flush(model_thread& t) {
    while (!t.buffer.empty()) flush_one(t);
  }
  void flush_one(model_thread& t) {
    write(t.buffer.front());
    t.buffer.pop_front();
  }

  std::uint64_t begin_update(std::uint64_t* address, std::memory_order order) {
    if (!is_inside()) return *address;
    flush(self());
    receive(address, order);
    return *address;
  }
  void end_update(std::uint64_t* address, std::uint64_t value, std::memory_order order) {
    *address = value;
    if (!is_inside()) return;
    // A locked instruction passes on what the store before it has released.
    messages_[address].join(message_of(self(), order));
    ++writes_;
  }

  void fence(model_thread& t) {
    flush(t);
    t.clock.join(t.seen);
    t.clock.join(fences_);
    fences_.join(t.clock);
    t.at_fence = t.clock;
    next_step(t);
  }
  void full_fence() { fence(self()); }
  void heavy_barrier() {
    fence(self());
    for (model_thread& t : threads_) fence(t);
    fence(self());
  }

  void plain_access(const void* address) {
    if (!is_inside()) return;
    const model_thread& me = self();
    const auto known = plain_.find(address);
    if (known != plain_.end() && static_cast<int>(known->second.thread) != current_ &&
        known->second.step > me.clock.steps[known->second.thread]) {
      fail("a data race");
    }
    const auto thread = static_cast<unsigned>(current_);
    plain_[address] = {thread, me.clock.steps[thread]};
  }

  void spin() {
    model_thread& me = self();
    if (!me.has_looked) return;
    me.has_looked = false;
    for (unsigned i = 0; i < threads_.size(); ++i) {
      // What it waits for may be in a buffer.
      if (static_cast<int>(i) != current_ && !threads_[i].buffer.empty() && choose(2) == 0) {
        flush(threads_[i]);
      }
    }
    me.state = thread_state::spinning;
    reschedule();
  }

  std::int64_t now() {
    if (timeouts_ < limits_.timeouts && choose(2) == 1) {
      ++timeouts_;
      ++hours_;
    }
    return hours_ * 3'600'000'000'000;
  }

  void block(const std::uint64_t* address, std::uint64_t expected, bool may_time_out) {
    model_thread& me = self();
    flush(me);  // a system call
    if (*address != expected) return;
    me.waits_for = address;
    me.may_time_out = may_time_out;
    me.state = thread_state::blocked;
    reschedule();
  }
  void unblock(const void* address, int count) {
    flush(self());
    for (model_thread& t : threads_) {
      if (count == 0) return;
      if (t.state != thread_state::blocked || t.waits_for != address) continue;
      t.state = thread_state::ready;
      --count;
    }
  }

  [[noreturn]] void fail(const std::string& what) {
    if (failure_.empty()) failure_ = what;
    if (!is_inside()) throw std::runtime_error(what);  // by the check at the end
    context::jump_fcontext(home_, nullptr);
    std::abort();  // nobody comes back to a failed execution
  }

  unsigned choose(unsigned n) {
    if (n == 1) return 0;
    if (depth_ == choices_.size()) choices_.push_back({0, n});
    choice& c = choices_[depth_++];
    if (c.options != n) {
      failure_ = "the scenario is not repeatable";
      return 0;
    }
    return c.taken;
  }

 private:
  void run_once() {
    scenario s;
    threads_.clear();
    threads_.reserve(most_threads);
    addresses_.clear();
    messages_.clear();
    plain_.clear();
    fences_ = {};
    trace_.clear();
    failure_.clear();
    depth_ = steps_ = preempted_ = delayed_ = timeouts_ = 0;
    writes_ = 1;
    hours_ = 1;
    idle_hours_ = 0;
    current_ = -1;
    make_(s);
    if (s.threads_.size() > most_threads) failure_ = "too many threads";
    for (auto& body : s.threads_) threads_.emplace_back().body = std::move(body);
    for (unsigned i = 0; i < threads_.size(); ++i) {
      threads_[i].clock.steps[i] = 1;
      threads_[i].at = context::make_fcontext(stacks_[i].get() + stack_bytes, stack_bytes, &enter);
    }
    next_ = -1;
    if (failure_.empty() && pick_next()) {
      while (next_ >= 0) {
        current_ = next_;
        const context::transfer_t back =
            context::jump_fcontext(threads_[static_cast<unsigned>(current_)].at, this);
        if (!failure_.empty()) break;
        threads_[static_cast<unsigned>(current_)].at = back.fctx;
      }
    }
    current_ = -1;
    if (failure_.empty()) {
      for (model_thread& t : threads_) flush(t);
      try {
        if (s.end_) s.end_();
      } catch (const std::runtime_error&) {  // noted in failure_
      }
    }
    if (failure_.empty() && depth_ != choices_.size()) failure_ = "the scenario is not repeatable";
  }

  static void enter(context::transfer_t from) {
    auto* self = static_cast<engine*>(from.data);
    self->home_ = from.fctx;
    model_thread& me = self->self();
    me.body();
    me.state = thread_state::finished;  // what is in its buffer leaves it when it likes
    self->pick_next();
    context::jump_fcontext(self->home_, nullptr);
    std::abort();
  }
  // The current thread may be left for another.
  void reschedule() {
    const int me = current_;
    pick_next();
    if (next_ == me) return;
    const context::transfer_t back = context::jump_fcontext(home_, nullptr);
    home_ = back.fctx;
  }

  bool is_enabled(const model_thread& t) const {
    if (t.state == thread_state::ready) return true;
    return t.state == thread_state::spinning && writes_ > t.looked_at;
  }

  // Decides on next_; false and -1 when all have finished, or on a failure.
  bool pick_next() {
    for (;;) {
      option options[24];
      unsigned n = 0;
      const bool goes_on = current_ >= 0 && is_enabled(self());
      if (goes_on) options[n++] = {option::kind::run, static_cast<unsigned>(current_)};
      const bool may_preempt = !goes_on || preempted_ < limits_.preemptions;
      for (unsigned i = 0; i < threads_.size() && may_preempt; ++i) {
        if (static_cast<int>(i) != current_ && is_enabled(threads_[i])) {
          options[n++] = {option::kind::run, i};
        }
      }
      const bool somebody = n != 0;
      for (unsigned i = 0; i < threads_.size(); ++i) {
        const model_thread& t = threads_[i];
        if (t.state == thread_state::blocked && t.may_time_out &&
            (timeouts_ < limits_.timeouts || !somebody)) {
          options[n++] = {option::kind::time_out, i};
        }
      }
      if (n == 0) {
        const std::uint64_t before = writes_;
        for (model_thread& t : threads_) flush(t);
        if (writes_ != before) continue;
        const bool all_done = std::all_of(threads_.begin(), threads_.end(), [](const auto& t) {
          return t.state == thread_state::finished;
        });
        if (all_done) {
          next_ = -1;
          return false;
        }
        if (idle_hours_ < 4) {  // whoever looks at the clock sees it gone on
          ++idle_hours_;
          ++hours_;
          ++writes_;
          continue;
        }
        next_ = -1;
        failure_ = "nobody can go on";
        return false;
      }
      const option taken = options[choose(n)];
      model_thread& t = threads_[taken.thread];
      switch (taken.what) {
        case option::kind::time_out:
          ++timeouts_;
          ++hours_;
          t.state = thread_state::ready;
          continue;
        case option::kind::run:
          if (goes_on && static_cast<int>(taken.thread) != current_) ++preempted_;
          t.state = thread_state::ready;
          next_ = static_cast<int>(taken.thread);
          return true;
      }
    }
  }

  const limits limits_;
  const std::function<void(scenario&)>& make_;
  std::vector<std::unique_ptr<char[]>> stacks_;
  std::vector<model_thread> threads_;
  std::vector<choice> choices_;
  std::size_t depth_ = 0;
  unsigned steps_ = 0;
  unsigned preempted_ = 0;
  unsigned delayed_ = 0;
  unsigned timeouts_ = 0;
  std::uint64_t writes_ = 1;
  std::unordered_map<const void*, vector_clock> messages_;  // of the last store to each atomic
  std::unordered_map<const void*, access> plain_;
  vector_clock fences_;
  std::int64_t hours_ = 1;       // what the clock shows
  unsigned idle_hours_ = 0;      // that passed since nobody could go on
  int current_ = -1;
  int next_ = -1;
  context::fcontext_t home_ = nullptr;
  std::string failure_;
  bool tracing_ = false;
  std::string trace_;
  std::vector<const void*> addresses_;
};

engine* engine::active = nullptr;

outcome explore(const limits& l, const std::function<void(scenario&)>& make) {
  engine e(l, make);
  engine::active = &e;
  outcome result = e.run();
  engine::active = nullptr;
  return result;
}

void require(bool condition, const char* what) {
  if (!condition) engine::active->fail(what);
}

namespace {
engine* inside() noexcept {
  return engine::active != nullptr && engine::active->is_inside() ? engine::active : nullptr;
}
}  // namespace

void before_operation(const char* what, const void* address) {
  if (engine* e = inside()) e->step(what, address);
}
std::uint64_t load_word(const std::uint64_t* address, std::memory_order order) {
  return engine::active != nullptr ? engine::active->load(address, order) : *address;
}
void store_word(std::uint64_t* address, std::uint64_t value, std::memory_order order) {
  if (engine::active != nullptr) {
    engine::active->store(address, value, order);
  } else {
    *address = value;
  }
}
std::uint64_t begin_update(std::uint64_t* address, std::memory_order order) {
  return engine::active != nullptr ? engine::active->begin_update(address, order) : *address;
}
void end_update(std::uint64_t* address, std::uint64_t value, std::memory_order order) {
  if (engine::active != nullptr) {
    engine::active->end_update(address, value, order);
  } else {
    *address = value;
  }
}
void plain_access(const void* address) {
  if (engine* e = inside()) e->plain_access(address);
}
void spin() {
  if (engine* e = inside()) e->spin();
}
unsigned choose(unsigned n) {
  engine* e = inside();
  return e != nullptr ? e->choose(n) : 0;
}
std::int64_t now() {
  engine* e = inside();
  return e != nullptr ? e->now() : 0;
}
void heavy_barrier() {
  if (engine* e = inside()) {
    e->step("heavy barrier", nullptr);
    e->heavy_barrier();
  }
}
void full_fence() {
  if (engine* e = inside()) {
    e->step("fence", nullptr);
    e->full_fence();
  }
}
void block_while(const std::uint64_t* address, std::uint64_t expected, bool may_time_out) {
  if (engine* e = inside()) {
    e->step("wait", address);
    e->block(address, expected, may_time_out);
  }
}
void unblock(const void* address, int count) {
  if (engine* e = inside()) {
    e->step("wake", address);
    e->unblock(address, count);
  }
}

}  // namespace weft_model
