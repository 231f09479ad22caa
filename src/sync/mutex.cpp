// The word: locked, waiting (the queue is not empty), queue (its lock). The fast paths are one
// compare-and-swap each. A waiter that is woken competes with who comes meanwhile; if it loses it
// goes to the front of the queue and gets the mutex handed over by the next unlock, so it is
// overtaken at most twice. Letting go is the last touch; wakes use the waiter only.
// Proved by: tests/conformance/mutex_test.cpp, tests/stress/sync_stress.cpp.
#include <stdexcept>

#include "park/park.hpp"
#include "weft/sync/mutex.hpp"

namespace weft {

using namespace detail;

namespace {
constexpr std::uint32_t free_to_try = claim_case;      // claim: compete for it
constexpr std::uint32_t handed_over = claim_case + 1;  // claim: it is yours

// In wait_node::index: the waiter has lost once.
constexpr std::uint32_t patient = 0;
constexpr std::uint32_t impatient = 1;
}  // namespace

// Takes the queue's lock once all bits of `required` are set and sets `set`; gives the word as it
// was, without the lock if a bit of `required` is missing.
std::uint32_t mutex::acquire_queue(std::uint32_t required, std::uint32_t set) noexcept {
  std::uint32_t word = word_.load(std::memory_order_relaxed);
  for (backoff b;;) {
    if ((word & required) != required) return word;
    if ((word & queue) != 0) {
      b.wait();
      word = word_.load(std::memory_order_relaxed);
    } else if (word_.compare_exchange_weak(word, word | queue | set, std::memory_order_acquire,
                                           std::memory_order_relaxed)) {
      return word | queue;
    }
  }
}

void mutex::lock_slow() {
  wait_scope scope("mutex");
  std::uint32_t patience = patient;
  // The holder of the queue's lock alone changes `waiting`, and nobody else may take `locked` away
  // from under `queue | locked`: unlocking needs the queue then.
  const auto unlock_queue = [](void* argument) {
    auto* self = static_cast<mutex*>(argument);
    std::uint32_t word = self->word_.load(std::memory_order_relaxed);
    const std::uint32_t any = self->first_ != nullptr ? waiting : 0;
    while (!self->word_.compare_exchange_weak(word, (word & ~(queue | waiting)) | any,
                                              std::memory_order_release,
                                              std::memory_order_relaxed)) {
    }
  };
  // Only here: who was woken to compete must not leave without it, or the wake would be lost.
  scope.check_exit();
  for (;;) {
    wait_node node;
    node.owner = scope.who();
    node.index = patience;
    for (;;) {
      if (try_lock()) return;
      // `waiting` goes up while `locked` is seen, in one step: the unlock cannot miss it.
      const std::uint32_t word = acquire_queue(locked, waiting);
      if ((word & locked) != 0) break;
    }
    node_list list{first_, last_};
    if (patience == patient) {
      list.push_back(&node);
    } else {
      list.push_front(&node);
    }
    first_ = list.first;
    last_ = list.last;
    const std::uint32_t won = scope.park(unlock_queue, this, deadline::never());
    if (won == handed_over) return;
    if (won == free_to_try) {
      patience = impatient;
      continue;
    }
    acquire_queue(0, 0);
    if (node.where == wait_node::place::linked) {
      node_list rest{first_, last_};
      rest.remove(&node);
      first_ = rest.first;
      last_ = rest.last;
    }
    unlock_queue(this);
    wait_scope::rethrow(won);
  }
}

void mutex::unlock_slow() {
  std::uint32_t word = word_.load(std::memory_order_relaxed);
  for (;;) {
    if ((word & locked) == 0) {
      throw std::logic_error("weft::mutex::unlock: the mutex is not locked");
    }
    if ((word & (waiting | queue)) == 0) {
      if (word_.compare_exchange_weak(word, 0, std::memory_order_release,
                                      std::memory_order_relaxed)) {
        return;
      }
      continue;
    }
    word = acquire_queue(locked, 0);
    if ((word & queue) != 0) break;
  }
  waiter* woken = nullptr;
  bool handed = false;
  node_list list{first_, last_};
  while (wait_node* n = list.first) {
    list.remove(n);
    waiter* owner = n->owner;
    handed = n->index == impatient;
    if (owner->word.claim(handed ? handed_over : free_to_try)) {
      woken = owner;
      break;
    }
    handed = false;
  }
  first_ = list.first;
  last_ = list.last;
  const std::uint32_t any = first_ != nullptr ? waiting : 0;
  // Nobody else changes the word while queue and locked are set, but a failing try_lock.
  word_.store((handed ? locked : 0) | any, std::memory_order_release);
  if (woken != nullptr) wake(woken);
}

}  // namespace weft
