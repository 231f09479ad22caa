// Contexts: making them, asking them, cancelling them.
//
// whole_tree: a cancel ends the context, then goes down to the first child that stands in its list,
//   and takes a context out of its canceler's list only when its own is empty. So who finds one done
//   and its list empty knows that all below are done; two cancels that meet in a tree both go
//   through what is left, and neither returns before all is done. No stack and no memory is needed,
//   however deep or wide the tree is.
// no_late_child: a child looks at its canceler's err and enters its list under one locking.
// nothing_of_the_user_under_a_lock, and nothing_of_the_user_at_home: callbacks of stop tokens,
//   functions, and destructors of values come after the walk. A deadline fires on a worker's home
//   stack; there they are left to a goroutine, whose seed was made together with the deadline.
// alive_while_linked: a cancel_function keeps its context until it has cancelled it.
// Order of locks: a context's, alone (a wait takes it after its own: see context.hpp).
// Proved by: tests/conformance/context_*.cpp, tests/stress/context_stress.cpp.
#include "context/context.hpp"

#include <mutex>

#include "chan/channel.hpp"
#include "switch/thread_local.hpp"
#include "weft/runtime.hpp"

namespace weft {

using namespace detail;

context_cancelled::context_cancelled() : std::runtime_error("weft: the context was cancelled") {}
context_deadline_exceeded::context_deadline_exceeded()
    : std::runtime_error("weft: the context's deadline has passed") {}

namespace detail {

// A function that waits for a context's end. Its stop_functions have a reference each, and so has the
// context's list until it is started or stopped.
struct function_hook {
  std::atomic<std::uint32_t> references{1};
  cancelable_state* on = nullptr;  // a reference; null: never done, or done already
  // Null: started or stopped. Under the context's lock, if there is one.
  std::atomic<seed*> function{nullptr};
  function_hook* next = nullptr;
  function_hook* previous = nullptr;
};

namespace {

void discard(seed* s) { s->invoke(s, current_worker(), seed_action::discard); }

void drop_hook(function_hook* h) noexcept {
  if (h->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  // One that a context could start has the list's reference.
  if (seed* s = h->function.load(std::memory_order_relaxed)) discard(s);
  if (h->on != nullptr) release_context(h->on);
  delete h;
}

// What a cancel leaves for after the walk.
struct aftermath {
  seed* first_start = nullptr;  // functions, linked by next
  seed** last_start = &first_start;
  cancelable_state* to_stop = nullptr;  // with a reference each
  cancelable_state* dead = nullptr;     // their last reference is gone

  void add_start(seed* s) noexcept {
    s->next = nullptr;
    *last_start = s;
    last_start = &s->next;
  }
  void drop(cancelable_state* c) noexcept {
    if (c->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    c->next_in_hand = dead;
    dead = c;
  }
};

void close_if_open(const chan<void>& c) noexcept {
  if (!c || c.closed()) return;
  try {
    c.close();
  } catch (const closed_channel&) {
    // Somebody else came first.
  }
}

// Ends one context; if somebody else does, does what that one may not have got to yet. The caller has
// a reference.
void end_one(cancelable_state& c, context_error error, const std::exception_ptr& cause,
             aftermath& after) noexcept {
  wake_list wakes;
  timer_state* timer = nullptr;
  chan<void> done{nullptr};
  {
    std::lock_guard guard(c.lock);
    done = c.done;
    if (c.err.load(std::memory_order_relaxed) == context_error::none) {
      c.cause = cause;
      c.err.store(error, std::memory_order_release);
      timer = c.timer;
      while (wait_node* n = c.waits.first) {
        c.waits.remove(n);
        if (n->owner->word.claim(claim_case + n->index)) wakes.add(n->owner);
      }
      while (function_hook* h = c.first_function) {
        c.first_function = h->next;
        after.add_start(h->function.exchange(nullptr, std::memory_order_relaxed));
        if (h->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
          c.references.fetch_sub(1, std::memory_order_relaxed);  // not the last: the caller has one
          delete h;
        }
      }
      c.last_function = nullptr;
      if (c.stop.stop_possible()) {
        c.references.fetch_add(1, std::memory_order_relaxed);
        c.next_in_hand = after.to_stop;
        after.to_stop = &c;
      }
    }
  }
  close_if_open(done);
  c.settled.store(true, std::memory_order_release);  // pairs with context::err
  if (timer != nullptr) stop_timer(timer);
  wakes.wake_all();
}

void unlink_from_above(cancelable_state& c) noexcept {
  if (c.above == nullptr) return;
  std::lock_guard guard(c.above->lock);
  if (!c.linked) return;
  c.linked = false;
  (c.previous != nullptr ? c.previous->next : c.above->children) = c.next;
  if (c.next != nullptr) c.next->previous = c.previous;
}

// See whole_tree. The caller holds a reference to the root.
void end_tree(cancelable_state& root, context_error error, const std::exception_ptr& cause,
              aftermath& after) noexcept {
  end_one(root, error, cause, after);
  for (cancelable_state* at = &root;;) {
    cancelable_state* child = nullptr;
    {
      std::lock_guard guard(at->lock);
      child = at->children;
      if (child != nullptr) child->references.fetch_add(1, std::memory_order_relaxed);
    }
    if (child != nullptr) {
      end_one(*child, at->error(), at->cause, after);
      at = child;
      continue;
    }
    unlink_from_above(*at);
    if (at == &root) return;
    cancelable_state* up = at->above;
    after.drop(at);
    at = up;
  }
}

// What may run code of the user's.
void stop_and_destroy(cancelable_state* to_stop, cancelable_state* dead) noexcept {
  while (to_stop != nullptr) {
    cancelable_state* c = to_stop;
    std::stop_source stop{std::nostopstate};
    order_after(c);  // for TSan, which does not see what a deadline does
    {
      std::lock_guard guard(c->lock);
      to_stop = c->next_in_hand;
      stop = c->stop;
    }
    request_stop(&stop);
    release_context(c);
  }
  while (dead != nullptr) {
    cancelable_state* c = dead;
    order_after(c);  // likewise
    dead = c->next_in_hand;
    c->references.store(1, std::memory_order_relaxed);
    release_context(c);
  }
}

void finish(aftermath& after) noexcept {
  for (seed* s = after.first_start; s != nullptr;) {
    seed* next = s->next;
    try {
      submit_seed(s);
    } catch (...) {
      // No default runtime to be had: the function is destroyed.
    }
    s = next;
  }
  stop_and_destroy(after.to_stop, after.dead);
}

void cancel(context_state* s, context_error error, const std::exception_ptr& cause) noexcept {
  aftermath after;
  end_tree(*s->canceler, error, cause, after);
  finish(after);
}

// What the goroutine after a deadline gets.
struct left_to_goroutine {
  cancelable_state* to_stop;
  cancelable_state* dead;
  static void invoke(seed* head, worker* w, seed_action) {
    auto* s = static_cast<callable_seed*>(head);
    const left_to_goroutine work = *stored_callable<left_to_goroutine>(s);
    recycle_seed(w, s);
    stop_and_destroy(work.to_stop, work.dead);
  }
};

}  // namespace

struct deadline_timer final : timer_state {
  explicit deadline_timer(cancelable_state* c) : on(c), helper(allocate_seed()) {
    helper->invoke = &left_to_goroutine::invoke;
    order_before(helper);
    helper->kind = seed_kind::internal;  // the end of a run does not keep it from running
  }
  ~deadline_timer() override {
    if (helper != nullptr) recycle_seed(helper);
  }
  void fire_locked(effect& e) override {
    // Armed, so nobody has ended it and gone: see alive_while_linked.
    on->references.fetch_add(1, std::memory_order_relaxed);
    e.then = &expire;
    e.argument = this;
  }
  static void expire(void* argument) {
    auto* self = static_cast<deadline_timer*>(argument);
    aftermath after;
    end_tree(*self->on, context_error::deadline_exceeded, nullptr, after);
    after.drop(self->on);
    for (seed* s = after.first_start; s != nullptr;) {
      seed* next = s->next;
      submit_from_home(s);
      s = next;
    }
    if (after.to_stop == nullptr && after.dead == nullptr) return;
    callable_seed* s = std::exchange(self->helper, nullptr);
    ::new (static_cast<void*>(s->storage)) left_to_goroutine{after.to_stop, after.dead};
    submit_from_home(s);
  }

  cancelable_state* const on;  // alive while this is armed
  callable_seed* helper;
};

cancelable_state::~cancelable_state() {
  if (timer != nullptr) drop_timer(timer);
}

void retain_context(context_state* s) noexcept {
  s->references.fetch_add(1, std::memory_order_relaxed);
}

void release_context(context_state* s) noexcept {
  // order_before: pairs with stop_and_destroy.
  while (s != nullptr && (order_before(s), s->references.fetch_sub(1, std::memory_order_acq_rel) == 1)) {
    context_state* parent = s->parent;
    delete s;
    s = parent;
  }
}

const context_value* find_value(const context_state* s, const void* key) noexcept {
  for (; s != nullptr; s = s->parent) {
    if (s->value != nullptr && s->value->key == key) return s->value.get();
  }
  return nullptr;
}

std::pair<context, cancel_function> make_cancelable(context parent, detail::deadline limit) {
  auto owned = std::make_unique<cancelable_state>(context_access::state(parent));
  cancelable_state* c = owned.get();
  cancelable_state* above = c->above;
  c->limit = limit;
  if (above != nullptr && above->limit.at <= limit.at) {
    c->limit = above->limit;
    limit = detail::deadline::never();  // the parent's comes first
  }
  const bool has_passed = !limit.is_never() && limit.at <= steady_now();
  if (!limit.is_never() && !has_passed) {
    c->timer = new deadline_timer(c);
    current_core();  // may throw, as long as nothing has happened
  }
  if (c->parent != nullptr) retain_context(c->parent);
  owned.release();
  retain_context(c);
  std::pair<context, cancel_function> made(context_access::make(c), context_access::make_cancel(c));
  // See no_late_child.
  context_error error = has_passed ? context_error::deadline_exceeded : context_error::none;
  std::exception_ptr cause;
  if (above != nullptr) {
    std::lock_guard guard(above->lock);
    if (above->err.load(std::memory_order_relaxed) != context_error::none) {
      error = above->err.load(std::memory_order_relaxed);
      cause = above->cause;
    } else if (!has_passed) {
      c->next = above->children;
      if (c->next != nullptr) c->next->previous = c;
      above->children = c;
      c->linked = true;
    }
  }
  if (error != context_error::none) {
    cancel(c, error, cause);
  } else if (c->timer != nullptr) {
    arm_timer(c->timer, limit);
    // The parent's end may have come before there was anything to stop.
    if (c->error() != context_error::none) stop_timer(c->timer);
  }
  return made;
}

context make_value_context(context parent, std::unique_ptr<context_value> value) {
  context_state* up = context_access::state(parent);
  auto* s = new context_state(up, context_access::canceler(parent), std::move(value));
  if (up != nullptr) retain_context(up);
  return context_access::make(s);
}

stop_function start_when_done(const context& ctx, seed* function) {
  cancelable_state* c = context_access::canceler(ctx);
  function_hook* h = nullptr;
  try {
    h = new function_hook;
  } catch (...) {
    discard(function);
    throw;
  }
  stop_function made = context_access::make_stop(h);
  if (c == nullptr) {
    h->function.store(function, std::memory_order_relaxed);
    return made;
  }
  order_before(function);  // what its goroutine may rely on; a deadline is invisible to TSan
  if (lock_unless_done(*c)) {
    h->function.store(function, std::memory_order_relaxed);
    h->on = c;
    c->references.fetch_add(1, std::memory_order_relaxed);
    h->references.fetch_add(1, std::memory_order_relaxed);
    h->previous = c->last_function;
    (c->last_function != nullptr ? c->last_function->next : c->first_function) = h;
    c->last_function = h;
    c->lock.unlock();
    return made;
  }
  submit_seed(function);
  return made;
}

}  // namespace detail

// ---- The public functions ------------------------------------------------------------------

recv_chan<void> context::done() const {
  cancelable_state* c = context_access::canceler(*this);
  if (c == nullptr) return {};
  for (chan<void> fresh{nullptr};;) {
    {
      std::lock_guard guard(c->lock);
      if (c->done) return c->done;
      // Once the context is done the channel is closed before anybody can see it.
      const bool done = c->err.load(std::memory_order_relaxed) != context_error::none;
      if (fresh && (!done || fresh.closed())) {
        c->done = fresh;
        return fresh;
      }
    }
    if (!fresh) {
      fresh = chan<void>();
    } else {
      fresh.close();
    }
  }
}

context_error context::err() const noexcept {
  const cancelable_state* c = context_access::canceler(*this);
  if (c == nullptr || c->error() == context_error::none) return context_error::none;
  // Who sees the error finds the channel closed.
  for (backoff b; !c->settled.load(std::memory_order_acquire);) b.wait();
  return c->error();
}

std::exception_ptr context::cause() const {
  const cancelable_state* c = context_access::canceler(*this);
  if (c == nullptr) return nullptr;
  // Never destroyed: static destructors may ask.
  static const std::exception_ptr& cancelled =
      *new std::exception_ptr(std::make_exception_ptr(context_cancelled()));
  static const std::exception_ptr& exceeded =
      *new std::exception_ptr(std::make_exception_ptr(context_deadline_exceeded()));
  switch (c->error()) {
    case context_error::none: return nullptr;
    case context_error::cancelled: return c->cause ? c->cause : cancelled;
    case context_error::deadline_exceeded: break;
  }
  return c->cause ? c->cause : exceeded;
}

std::optional<clock::time_point> context::deadline() const noexcept {
  const cancelable_state* c = context_access::canceler(*this);
  if (c == nullptr || c->limit.is_never()) return std::nullopt;
  return clock::time_point(clock::duration(c->limit.at));
}

std::stop_token context::stop_token() const {
  cancelable_state* c = context_access::canceler(*this);
  if (c == nullptr) return {};
  {
    std::lock_guard guard(c->lock);
    if (c->stop.stop_possible()) return c->stop.get_token();
  }
  std::stop_source fresh;
  std::stop_token token;
  bool done = false;
  order_before(c);  // pairs with stop_and_destroy
  {
    std::lock_guard guard(c->lock);
    if (!c->stop.stop_possible()) c->stop = fresh;
    token = c->stop.get_token();
    done = c->err.load(std::memory_order_relaxed) != context_error::none;
  }
  if (done) request_stop(&c->stop);  // who ended it may have come before there was one
  return token;
}

void cancel_function::operator()(std::exception_ptr cause) const noexcept {
  if (state_ != nullptr) cancel(state_, context_error::cancelled, cause);
}

void cancel_function::drop() noexcept {
  if (state_ == nullptr) return;
  cancel(state_, context_error::cancelled, nullptr);
  release_context(std::exchange(state_, nullptr));
}

stop_function::stop_function(const stop_function& other) noexcept : hook_(other.hook_) {
  if (hook_ != nullptr) hook_->references.fetch_add(1, std::memory_order_relaxed);
}

stop_function::~stop_function() {
  if (hook_ != nullptr) drop_hook(hook_);
}

bool stop_function::operator()() const {
  if (hook_ == nullptr) return false;
  function_hook& h = *hook_;
  if (h.on == nullptr) {
    seed* function = h.function.exchange(nullptr, std::memory_order_acq_rel);
    if (function != nullptr) discard(function);
    return function != nullptr;
  }
  cancelable_state& c = *h.on;
  seed* function = nullptr;
  {
    std::lock_guard guard(c.lock);
    function = h.function.exchange(nullptr, std::memory_order_relaxed);
    if (function == nullptr) return false;
    (h.previous != nullptr ? h.previous->next : c.first_function) = h.next;
    (h.next != nullptr ? h.next->previous : c.last_function) = h.previous;
  }
  h.references.fetch_sub(1, std::memory_order_relaxed);  // the list's: not the last
  discard(function);
  return true;
}

std::pair<context, cancel_function> with_cancel(context parent) {
  return make_cancelable(std::move(parent), detail::deadline::never());
}

context without_cancel(context parent) {
  context_state* up = context_access::state(parent);
  auto* s = new context_state(up, nullptr);
  if (up != nullptr) retain_context(up);
  return context_access::make(s);
}

}  // namespace weft
