// The word: the phase, and the lock of all the rest (locked_word.hpp). The last to arrive leaves
// the lock, runs the completion, and takes it again to begin the next phase; meanwhile `pending` is
// zero and nobody else can arrive. The store that says the new phase is its last touch.
// Proved by: tests/conformance/barrier_test.cpp, tests/stress/sync_handover_stress.cpp.
#include "weft/sync/barrier.hpp"

#include <stdexcept>

#include "sync/locked_word.hpp"

namespace weft::detail {

namespace {

constexpr std::uint64_t one_phase = 2;

}  // namespace

barrier_core::barrier_core(std::ptrdiff_t expected) : expected_(expected), pending_(expected) {
  if (expected < 0) throw std::invalid_argument("weft::barrier: the number is negative");
}

std::uint64_t barrier_core::arrive(std::ptrdiff_t n, bool drop, bool& last) {
  const std::uint64_t phase = lock_word(word_);
  if (n <= 0 || n > pending_) {
    unlock_word(word_, phase);
    throw std::logic_error(
        "weft::barrier::arrive: not a positive number, or more than are still expected");
  }
  if (drop) --expected_;
  pending_ -= n;
  last = pending_ == 0;
  unlock_word(word_, phase);
  return phase;
}

void barrier_core::complete() noexcept {
  const std::uint64_t phase = lock_word(word_);
  pending_ = expected_;
  wake_list wakes;
  while (claim_first(queue_, wakes)) {
  }
  unlock_word(word_, phase + one_phase);
  wakes.wake_all();
}

void barrier_core::wait(std::uint64_t phase) const {
  if (unlocked_value(word_) != phase) return;
  wait_scope scope("barrier");
  scope.check_exit();
  const std::uint64_t seen = lock_word(word_);
  if (seen != phase) {
    unlock_word(word_, seen);
    return;
  }
  wait_node node;
  node.owner = scope.who();
  push_back(queue_, &node);
  const std::uint32_t won = park_and_unlock(scope, word_, seen, deadline::never());
  if (won == claim_case) return;
  const std::uint64_t now = lock_word(word_);
  if (node.where == wait_node::place::linked) unlink(queue_, &node);
  unlock_word(word_, now);
  wait_scope::rethrow(won);
}

}  // namespace weft::detail
