// The word: whether somebody waits, and the queue's lock (locked_word.hpp). A wait links its node,
// unlocks the mutex, and parks; in between it is not claimable yet.
//
// nothing_lost: a node leaves the queue in one of two ways. A notification takes it out, and then
//   either finds the wait not parked yet, which will see that it was taken out, or claims it; if
//   that fails, the wait ends otherwise and the notification goes to the next node. Or the wait
//   takes it out itself, and then no notification has met it.
// locked_again: the mutex is locked under an exit_guard, whatever ended the wait.
// Proved by: tests/conformance/condition_variable_test.cpp, tests/stress/sync_handover_stress.cpp.
#include "weft/sync/condition_variable.hpp"

#include <stdexcept>

#include "sync/locked_word.hpp"
#include "weft/runtime.hpp"

namespace weft {

using namespace detail;

namespace {

constexpr std::uint64_t somebody_waits = 2;

// In wait_node::index.
constexpr std::uint32_t on_its_way = 0;
constexpr std::uint32_t parked = 1;

std::uint64_t word_for(const wait_queue& q) noexcept {
  return q.first != nullptr ? somebody_waits : 0;
}

void lock_again(std::unique_lock<mutex>& lock) {
  if (lock.try_lock()) return;
  exit_guard guard;
  lock.lock();
}

}  // namespace

void condition_variable::notify(bool all) noexcept {
  wake_list wakes;
  lock_word(word_);
  while (wait_node* n = queue_.first) {
    unlink(queue_, n);
    if (n->index == parked) {
      waiter* owner = n->owner;
      if (!owner->word.claim(claim_case)) continue;
      wakes.add(owner);
    }
    if (!all) break;
  }
  unlock_word(word_, word_for(queue_));
  wakes.wake_all();
}

std::cv_status condition_variable::wait_until_notified(std::unique_lock<mutex>& lock,
                                                       deadline limit) {
  if (!lock.owns_lock()) {
    throw std::logic_error("weft::condition_variable::wait: the mutex is not locked");
  }
  wait_scope scope("condition variable");
  scope.check_exit();
  wait_node node;
  node.owner = scope.who();
  node.index = on_its_way;
  lock_word(word_);
  push_back(queue_, &node);
  unlock_word(word_, somebody_waits);
  // Takes the node out, unless it is out; whether it was.
  const auto withdraw = [&] {
    lock_word(word_);
    const bool was_linked = node.where == wait_node::place::linked;
    if (was_linked) unlink(queue_, &node);
    unlock_word(word_, word_for(queue_));
    return was_linked;
  };
  try {
    lock.unlock();
  } catch (...) {  // somebody else has unlocked the mutex
    if (!withdraw()) notify_one();
    throw;
  }
  std::uint32_t won = claim_case;
  const std::uint64_t seen = lock_word(word_);
  if (node.where == wait_node::place::linked) {
    node.index = parked;
    won = park_and_unlock(scope, word_, seen, limit);
    if (won != claim_case) withdraw();
  } else {
    unlock_word(word_, seen);
  }
  lock_again(lock);
  wait_scope::rethrow(won);
  return won == claim_timeout ? std::cv_status::timeout : std::cv_status::no_timeout;
}

}  // namespace weft
