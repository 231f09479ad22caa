// The word: running, done, somebody waits, the queue's lock (locked_word.hpp). Once done it never
// changes again, so a call then costs a load.
//
// handed_over: a function that threw leaves `running` to the first who waits, if any.
// Proved by: tests/conformance/once_test.cpp, tests/stress/sync_handover_stress.cpp.
#include "weft/sync/once.hpp"

#include <stdexcept>

#include "sync/locked_word.hpp"

namespace weft {

using namespace detail;

namespace {

// Claims.
constexpr std::uint32_t is_done = claim_case;
constexpr std::uint32_t your_turn = claim_case + 1;

// Tells goroutines and plain threads apart while they live.
const void* identity(wait_scope& scope) noexcept {
  return scope.is_goroutine() ? static_cast<const void*>(scope.who())
                              : static_cast<const void*>(thread_exception_globals());
}

}  // namespace

bool once::begin() {
  wait_scope scope("once");
  const void* self = identity(scope);
  std::uint64_t seen = 0;
  if (word_.compare_exchange_strong(seen, running, std::memory_order_acquire,
                                    std::memory_order_relaxed)) {
    runner_.store(self, std::memory_order_relaxed);  // only `self` compares it with itself
    return true;
  }
  if (runner_.load(std::memory_order_relaxed) == self) {
    throw std::logic_error("weft::once::call: called from within its own function");
  }
  scope.check_exit();
  seen = lock_word(word_);
  if ((seen & (done | running)) == 0) {
    unlock_word(word_, running);
    runner_.store(self, std::memory_order_relaxed);
    return true;
  }
  if ((seen & done) != 0) {
    unlock_word(word_, seen);
    return false;
  }
  wait_node node;
  node.owner = scope.who();
  push_back(queue_, &node);
  const std::uint32_t won = park_and_unlock(scope, word_, seen | waiting, deadline::never());
  if (won == is_done) return false;
  if (won == your_turn) {
    runner_.store(self, std::memory_order_relaxed);
    return true;
  }
  seen = lock_word(word_);
  if (node.where == wait_node::place::linked) unlink(queue_, &node);
  unlock_word(word_, (seen & ~waiting) | (queue_.first != nullptr ? waiting : 0));
  wait_scope::rethrow(won);
  return false;
}

void once::finish(bool succeeded) noexcept {
  runner_.store(nullptr, std::memory_order_relaxed);
  std::uint64_t seen = running;
  // Release: what the function did; pairs with call().
  if (word_.compare_exchange_strong(seen, succeeded ? done : 0, std::memory_order_release,
                                    std::memory_order_relaxed)) {
    return;
  }
  lock_word(word_);
  wake_list wakes;
  std::uint64_t next = succeeded ? done : 0;
  while (wait_node* n = queue_.first) {
    unlink(queue_, n);
    waiter* owner = n->owner;
    if (!owner->word.claim(succeeded ? is_done : your_turn)) continue;
    wakes.add(owner);
    if (succeeded) continue;
    next = running | (queue_.first != nullptr ? waiting : 0);
    break;
  }
  unlock_word(word_, next);
  wakes.wake_all();
}

}  // namespace weft
