// The end of a goroutine that spawn() started, and its handle.
//
// join_word holds a list of waiting nodes (its upper bits, linked by next) and three flags: `done`,
// the result is in place; `detached`, the handle is gone, and the goroutine frees the seed;
// `locked`, somebody adds a node, and lets go in the commit of its wait, or takes one out.
// The end takes the list with the exchange that says done, its last touch of the seed: the handle's
// owner may free it then.
// no_lost_node: a waiter that was claimed by another finds its node in the list (and takes it out,
//   locked), or sees `done` and waits until the end has let go of the node. A select's is let go
//   even if it has won: its case does not know that.
// Proved by: tests/unit/join_test.cpp.
#include <exception>

#include "park/coroutine.hpp"
#include "sched/core.hpp"
#include "sched/locals.hpp"
#include "weft/detail/select.hpp"
#include "weft/go.hpp"

namespace weft::detail {

namespace {

constexpr std::uintptr_t done = 1;
constexpr std::uintptr_t detached = 2;
constexpr std::uintptr_t locked = 4;
constexpr std::uintptr_t flags = done | detached | locked;

wait_node* first_of(std::uintptr_t word) noexcept {
  return reinterpret_cast<wait_node*>(word & ~flags);
}
std::uintptr_t word_of(const wait_node* n) noexcept { return reinterpret_cast<std::uintptr_t>(n); }

// Waits until nobody has the lock; gives the word.
std::uintptr_t unlocked_word(const callable_seed* s) noexcept {
  std::uintptr_t word = s->join_word.load(std::memory_order_acquire);
  for (backoff b; (word & locked) != 0; word = s->join_word.load(std::memory_order_acquire)) b.wait();
  return word;
}

void let_go(wait_node* n) noexcept {
  std::atomic_ref(n->where).store(wait_node::place::outside, std::memory_order_release);
}

struct join_commit {
  callable_seed* s;
  wait_node* node;
};

// Adds the node and lets the lock go.
void commit_join(void* argument) {
  const join_commit c = *static_cast<join_commit*>(argument);
  c.s->join_word.store(word_of(c.node), std::memory_order_release);  // pairs with finish_joined
}

}  // namespace

bool finish_joined(callable_seed* s) noexcept {
  worker* w = current_worker();
  if (w != nullptr && w->current != nullptr && w->current->has_extras &&
      w->current->birth == s) [[unlikely]] {
    end_locals(w->current);  // who sees the end sees these gone; may wait
    w = current_worker();
  }
  std::uintptr_t word = unlocked_word(s);
  for (;;) {
    if ((word & detached) != 0) return false;
    // Release: the result; pairs with is_joined_done.
    if (s->join_word.compare_exchange_weak(word, done, std::memory_order_acq_rel,
                                           std::memory_order_acquire)) {
      break;
    }
    if ((word & locked) != 0) word = unlocked_word(s);
  }
  for (wait_node* n = first_of(word); n != nullptr;) {
    wait_node* next = n->next;
    waiter* owner = n->owner;
    const std::uint32_t value = claim_case + n->index;
    const bool shares = n->shares_owner;
    const bool won = w != nullptr && owner->kind == waiter_kind::goroutine
                         ? claim_from(w, owner, value)
                         : owner->word.claim(value);
    if (!won || shares) let_go(n);
    if (won) wake(owner);
    n = next;
  }
  return true;
}

bool detach_joined(callable_seed* s) noexcept {
  std::uintptr_t word = 0;
  s->dropped_in_flight = std::uncaught_exceptions() > 0;
  // Nobody waits: the handle is being dropped.
  if (s->join_word.compare_exchange_strong(word, detached, std::memory_order_acq_rel,
                                           std::memory_order_acquire)) {
    return false;
  }
  return true;
}

bool is_joined_done(const callable_seed* s) noexcept {
  return (s->join_word.load(std::memory_order_acquire) & done) != 0;
}

namespace {

// Takes the list's lock; false: the goroutine has ended.
[[gnu::noinline]] bool lock_unless_done(callable_seed* s, std::uintptr_t& seen) noexcept {
  seen = unlocked_word(s);
  for (;;) {
    if ((seen & done) != 0) return false;
    if (s->join_word.compare_exchange_weak(seen, seen | locked, std::memory_order_acq_rel,
                                           std::memory_order_acquire)) {
      return true;
    }
    if ((seen & locked) != 0) seen = unlocked_word(s);
  }
}

// Takes the node out, unless the end has the list; then waits until that has let go of it.
void leave_join(callable_seed* s, wait_node& node) noexcept {
  std::uintptr_t word = 0;
  if (!lock_unless_done(s, word)) {
    for (backoff b; std::atomic_ref(node.where).load(std::memory_order_acquire) !=
                    wait_node::place::outside;) {
      b.wait();
    }
    return;
  }
  wait_node* first = first_of(word);
  wait_node** at = &first;
  while (*at != nullptr && *at != &node) at = &(*at)->next;
  if (*at != nullptr) *at = node.next;
  s->join_word.store(word_of(first), std::memory_order_release);
}

// Takes the lock to add the node. False: the goroutine has ended.
[[gnu::always_inline]] inline bool lock_to_add(callable_seed* s, wait_node& node) noexcept {
  std::atomic_ref(node.where).store(wait_node::place::linked, std::memory_order_relaxed);
  std::uintptr_t seen = 0;  // nobody waits: as good as always
  if (!s->join_word.compare_exchange_strong(seen, locked, std::memory_order_acq_rel,
                                            std::memory_order_acquire) &&
      !lock_unless_done(s, seen)) {
    return false;
  }
  node.next = first_of(seen);
  return true;
}

WEFT_RETURNS_ELSEWHERE void wait_for_end(callable_seed* s) {
  wait_scope scope("join");
  scope.check_exit();
  wait_node node;
  node.owner = scope.who();
  if (!lock_to_add(s, node)) return;
  join_commit commit{s, &node};
  scope.partners_exclude_each_other();
  const std::uint32_t won = scope.park(&commit_join, &commit, deadline::never());
  if (won == claim_case) return;
  leave_join(s, node);
  wait_scope::rethrow(won);
}

// ---- The same in a coroutine

bool finish_async(suspension& s, std::uint32_t won) noexcept {
  auto& state = state_of<async_join_state>(s);
  if (won != claim_case) {
    leave_join(state.joined, state.node);
    state.outcome = async_outcome::exit;
  }
  return true;
}

void withdraw_join(suspension& s) noexcept {
  auto& state = state_of<async_join_state>(s);
  leave_join(state.joined, state.node);
}

constexpr suspension_type joining{"join", &finish_async, &withdraw_join};

}  // namespace

void wait_joined(callable_seed* s) {
  if (!is_joined_done(s)) wait_for_end(s);
}

bool async_join_suspend(async_join_state& state, std::coroutine_handle<> who) noexcept {
  return start_async(state, [&] {
    coroutine_wait wait(state, who, joining);
    if (wait.must_exit()) {
      state.outcome = async_outcome::exit;
      return false;
    }
    state.node.owner = wait.who();
    if (!lock_to_add(state.joined, state.node)) return false;
    join_commit commit{state.joined, &state.node};
    wait.commit(&commit_join, &commit, nullptr);
    return true;
  });
}

// ---- As a case of a select

bool join_source::is_ready(select_case_core&) {
  return *joined_ == nullptr || is_joined_done(*joined_);
}

void join_source::arm(select_case_core& c) {
  callable_seed* s = *joined_;
  wait_node& node = c.node;
  waiter* owner = node.owner;
  const std::uint32_t index = node.index;
  c.source_state = nullptr;
  if (lock_to_add(s, node)) {
    c.source_state = s;
    s->join_word.store(word_of(&node), std::memory_order_release);  // pairs with finish_joined
  } else {
    end_wait(owner, index);
  }
}

void join_source::disarm(select_case_core& c) {
  if (auto* s = static_cast<callable_seed*>(std::exchange(c.source_state, nullptr))) leave_join(s, c.node);
}

}  // namespace weft::detail
