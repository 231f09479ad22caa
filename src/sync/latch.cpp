// The word: the count, whether somebody waits, the queue's lock (locked_word.hpp). Who counts to
// zero while somebody waits takes the lock in the same step; the word becomes 0 with its last
// touch, and 0 is what open means.
// Proved by: tests/conformance/latch_test.cpp, tests/stress/sync_handover_stress.cpp.
#include "weft/sync/latch.hpp"

#include <stdexcept>

#include "sync/locked_word.hpp"

namespace weft {

using namespace detail;

namespace {

constexpr std::uint64_t somebody_waits = 2;
constexpr std::uint64_t one = 4;

std::uint64_t checked(std::ptrdiff_t expected) {
  if (expected < 0 || expected > latch::max()) {
    throw std::invalid_argument("weft::latch: the count is negative or too large");
  }
  return static_cast<std::uint64_t>(expected) * one;
}

}  // namespace

latch::latch(std::ptrdiff_t expected) : word_(checked(expected)) {}

void latch::count_down(std::ptrdiff_t n) {
  std::uint64_t word = unlocked_value(word_);
  for (;;) {
    if (n < 0 || static_cast<std::uint64_t>(n) > word / one) {
      throw std::logic_error("weft::latch::count_down: a negative number, or more than is left");
    }
    const std::uint64_t next = word - static_cast<std::uint64_t>(n) * one;
    const bool opens = next == somebody_waits && word != next;
    // Release: what was done before is seen by who finds the count at zero.
    if (word_.compare_exchange_weak(word, opens ? next | word_lock : next,
                                    std::memory_order_acq_rel, std::memory_order_relaxed)) {
      if (!opens) return;
      break;
    }
    if ((word & word_lock) != 0) word = unlocked_value(word_);
  }
  wake_list wakes;
  while (claim_first(queue_, wakes)) {
  }
  unlock_word(word_, 0);
  wakes.wake_all();
}

bool latch::wait_until_open(deadline limit) const {
  if (unlocked_value(word_) == 0) return true;
  wait_scope scope("latch");
  scope.check_exit();
  std::uint64_t seen = lock_word(word_);
  if (seen == 0 || has_passed(limit)) {
    unlock_word(word_, seen);
    return seen == 0;
  }
  wait_node node;
  node.owner = scope.who();
  push_back(queue_, &node);
  const std::uint32_t won = park_and_unlock(scope, word_, seen | somebody_waits, limit);
  if (won == claim_case) return true;
  seen = lock_word(word_);
  if (node.where == wait_node::place::linked) unlink(queue_, &node);
  unlock_word(word_, (seen & ~somebody_waits) | (queue_.first != nullptr ? somebody_waits : 0));
  wait_scope::rethrow(won);
  return false;
}

}  // namespace weft
