// The word: writer, how many readers, who waits, the queues' lock (locked_word.hpp). Every fast
// path is one compare-and-swap, taken while nobody waits for what it changes.
//
// handed_over: a waiter that is claimed holds the lock already, so nobody comes between.
// phases: a writer that unlocks admits every reader that waits; the last of these admits the next
//   writer. So neither side starves.
// no_idle_queue: with the queues' lock free, readers wait only if a writer holds or waits, writers
//   only if somebody holds. Who gives up a wait restores that.
// Proved by: tests/conformance/shared_mutex_test.cpp, tests/stress/sync_handover_stress.cpp.
#include "weft/sync/shared_mutex.hpp"

#include <stdexcept>

#include "sync/locked_word.hpp"
#include "weft/runtime.hpp"
#include "weft/sync/concurrent_map.hpp"

namespace weft {

using namespace detail;

// Lets in who may come in now. Under the queues' lock; gives the word that is to be stored.
std::uint64_t shared_mutex::admit(std::uint64_t seen, bool readers_first,
                                  wake_list& wakes) noexcept {
  std::uint64_t holders = seen & ~(queue | writers_wait | readers_wait);
  const auto admit_readers = [&] {
    while (claim_first(readers_, wakes)) holders += reader;
  };
  if (holders == 0 && readers_first) admit_readers();
  if (holders == 0 && claim_first(writers_, wakes)) holders = writer;
  if ((holders & writer) == 0 && writers_.first == nullptr) admit_readers();
  return holders | (writers_.first != nullptr ? writers_wait : 0) |
         (readers_.first != nullptr ? readers_wait : 0);
}

// Under the queues' lock, which it drops.
void shared_mutex::wait_for_turn(wait_scope& scope, std::uint64_t seen, bool shared) {
  wait_node node;
  node.owner = scope.who();
  wait_queue& own = shared ? readers_ : writers_;
  push_back(own, &node);
  const std::uint32_t won =
      park_and_unlock(scope, word_, seen | (shared ? readers_wait : writers_wait), deadline::never());
  if (won == claim_case) return;
  wake_list wakes;
  seen = lock_word(word_);
  if (node.where == wait_node::place::linked) unlink(own, &node);
  unlock_word(word_, admit(seen, false, wakes));
  wakes.wake_all();
  wait_scope::rethrow(won);
}

void shared_mutex::lock_slow() {
  wait_scope scope("shared mutex");
  scope.check_exit();
  const std::uint64_t seen = lock_word(word_);
  if (seen == 0) {
    unlock_word(word_, writer);
    return;
  }
  wait_for_turn(scope, seen, false);
}

void shared_mutex::lock_shared_slow() {
  wait_scope scope("shared mutex, to read");
  scope.check_exit();
  const std::uint64_t seen = lock_word(word_);
  if ((seen & (writer | writers_wait)) == 0) {
    unlock_word(word_, seen + reader);
    return;
  }
  wait_for_turn(scope, seen, true);
}

bool shared_mutex::try_lock() noexcept {
  std::uint64_t expected = 0;
  while (!word_.compare_exchange_strong(expected, writer, std::memory_order_acquire,
                                        std::memory_order_relaxed)) {
    if ((expected & (writer | writers_wait)) != 0 || expected >= reader) return false;
    unlocked_value(word_);
    expected = 0;
  }
  return true;
}

bool shared_mutex::try_lock_shared() noexcept {
  std::uint64_t word = word_.load(std::memory_order_relaxed);
  while ((word & (writer | writers_wait)) == 0) {
    if ((word & queue) != 0) {
      word = unlocked_value(word_);
    } else if (word_.compare_exchange_weak(word, word + reader, std::memory_order_acquire,
                                           std::memory_order_relaxed)) {
      return true;
    }
  }
  return false;
}

void shared_mutex::unlock_slow() {
  const std::uint64_t seen = lock_word(word_);
  if ((seen & writer) == 0) {
    unlock_word(word_, seen);
    throw std::logic_error("weft::shared_mutex::unlock: no writer holds it");
  }
  wake_list wakes;
  unlock_word(word_, admit(seen & ~writer, true, wakes));
  wakes.wake_all();
}

void shared_mutex::unlock_shared_slow() {
  const std::uint64_t seen = lock_word(word_);
  if (seen < reader) {
    unlock_word(word_, seen);
    throw std::logic_error("weft::shared_mutex::unlock_shared: no reader holds it");
  }
  wake_list wakes;
  unlock_word(word_, admit(seen - reader, false, wakes));
  wakes.wake_all();
}

namespace detail {

void lock_through_exit(shared_mutex& m) {
  exit_guard guard;
  m.lock();
}
void lock_shared_through_exit(shared_mutex& m) {
  exit_guard guard;
  m.lock_shared();
}

}  // namespace detail
}  // namespace weft
