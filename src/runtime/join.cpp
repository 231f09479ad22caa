// The end of a goroutine that spawn() started, and its handle.
//
// join_word: `locked` guards the list of waiters, `awaited` says that it is not empty; `done` says that the result is in place;
// `detached`, that the handle is gone, and the goroutine frees the seed. The goroutine's last
// touch is the store that sets `done` and lets the lock go; wakes come after it and use the
// waiters only.
// Proved by: tests/unit/join_test.cpp.
#include <cstdio>

#include "park/park.hpp"
#include "runtime/runtime.hpp"
#include "sched/core.hpp"
#include "weft/go.hpp"

namespace weft::detail {

namespace {

constexpr std::uint32_t locked = 1;
constexpr std::uint32_t done = 2;
constexpr std::uint32_t detached = 4;
constexpr std::uint32_t awaited = 8;  // the list of waiters is not empty

// Gives the word as it was when the lock was taken.
std::uint32_t lock_word(seed* s) noexcept {
  std::uint32_t word = s->join_word.load(std::memory_order_relaxed);
  for (backoff b;;) {
    if ((word & locked) != 0) {
      b.wait();
      word = s->join_word.load(std::memory_order_relaxed);
    } else if (s->join_word.compare_exchange_weak(word, word | locked, std::memory_order_acquire,
                                                  std::memory_order_relaxed)) {
      return word;
    }
  }
}

void unlock_seed(void* argument) {
  auto* s = static_cast<seed*>(argument);
  const std::uint32_t word = s->join_word.load(std::memory_order_relaxed) & ~(locked | awaited);
  s->join_word.store(word | (s->waiters != nullptr ? awaited : 0), std::memory_order_release);
}

}  // namespace

bool finish_joined(seed* s) noexcept {
  std::uint32_t word = 0;
  if (s->join_word.compare_exchange_strong(word, done, std::memory_order_release,
                                           std::memory_order_relaxed)) {
    return true;
  }
  word = lock_word(s);
  if ((word & detached) != 0) return false;
  wake_list wakes;
  for (wait_node* n = s->waiters; n != nullptr;) {
    wait_node* next = n->next;
    n->where = wait_node::place::outside;
    if (n->owner->word.claim(claim_case)) wakes.add(n->owner);
    n = next;
  }
  s->waiters = nullptr;
  s->join_word.store(done, std::memory_order_release);
  wakes.wake_all();
  return true;
}

bool detach_joined(seed* s) noexcept {
  const std::uint32_t word = lock_word(s);
  if ((word & done) != 0) return true;
  s->join_word.store(detached, std::memory_order_release);
  return false;
}

bool is_joined_done(const seed* s) noexcept {
  return (s->join_word.load(std::memory_order_acquire) & done) != 0;
}

void wait_joined(seed* s) {
  if (is_joined_done(s)) return;
  wait_scope scope("join");
  scope.check_exit();
  wait_node node;
  node.owner = scope.who();
  if ((lock_word(s) & done) != 0) {
    unlock_seed(s);
    return;
  }
  node_list list{s->waiters, nullptr};
  list.push_front(&node);
  s->waiters = list.first;
  const std::uint32_t won = scope.park(&unlock_seed, s, deadline::never());
  if (won == claim_case) return;
  lock_word(s);
  if (node.where == wait_node::place::linked) {
    node_list rest{s->waiters, nullptr};
    rest.remove(&node);
    s->waiters = rest.first;
  }
  unlock_seed(s);
  wait_scope::rethrow(won);
}

}  // namespace weft::detail
