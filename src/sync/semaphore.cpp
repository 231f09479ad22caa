// The word: the permits that are there, whether somebody waits, the queue's lock (locked_word.hpp).
//
// handed_over: permits go to a waiter with the claim; who is claimed has them.
// first_come: while somebody waits nobody takes permits but in the queue's order. Who gives up a
//   wait serves those behind it, which may ask for less.
// Proved by: tests/conformance/semaphore_test.cpp, tests/stress/sync_handover_stress.cpp.
#include "weft/sync/semaphore.hpp"

#include <stdexcept>

#include "sync/locked_word.hpp"

namespace weft {

using namespace detail;

namespace {

struct request : wait_node {
  std::ptrdiff_t permits = 0;
};

std::ptrdiff_t checked(std::ptrdiff_t n) {
  if (n < 0 || n > semaphore::max()) {
    throw std::invalid_argument("weft::semaphore: the number of permits is negative or too large");
  }
  return n;
}

}  // namespace

semaphore::semaphore(std::ptrdiff_t n) : word_(to_word(checked(n))), n_(n) {}

void semaphore::check_request(std::ptrdiff_t k) const {
  if (k < 0 || k > n_) {
    throw std::invalid_argument(
        "weft::semaphore::acquire: asked for a negative number of permits, or for more than there "
        "will ever be");
  }
}

// Hands permits to those in front, under the queue's lock; gives the word that is to be stored.
std::uint64_t semaphore::serve(std::uint64_t seen, wake_list& wakes) noexcept {
  std::ptrdiff_t left = available(seen);
  while (queue_.first != nullptr) {
    auto* first = static_cast<request*>(queue_.first);
    if (first->permits > left) break;
    const std::ptrdiff_t permits = first->permits;
    unlink(queue_, first);
    waiter* owner = first->owner;
    if (!owner->word.claim(claim_case)) continue;
    wakes.add(owner);
    left -= permits;
  }
  return to_word(left) | (queue_.first != nullptr ? waiting : 0);
}

bool semaphore::try_acquire_slow(std::ptrdiff_t k) {
  check_request(k);
  if (k == 0) return true;
  while ((unlocked_value(word_) & waiting) == 0) {
    if (take(k)) return true;
    const std::uint64_t seen = unlocked_value(word_);
    if (available(seen) < k) return false;
  }
  return false;
}

bool semaphore::acquire_until(std::ptrdiff_t k, deadline limit) {
  check_request(k);
  if (k == 0) return true;
  wait_scope scope("semaphore");
  scope.check_exit();
  std::uint64_t seen = lock_word(word_);
  if ((seen & waiting) == 0 && k <= available(seen)) {
    unlock_word(word_, seen - to_word(k));
    return true;
  }
  if (has_passed(limit)) {
    unlock_word(word_, seen);
    return false;
  }
  request own;
  own.owner = scope.who();
  own.permits = k;
  push_back(queue_, &own);
  const std::uint32_t won = park_and_unlock(scope, word_, seen | waiting, limit);
  if (won == claim_case) return true;
  wake_list wakes;
  seen = lock_word(word_);
  if (own.where == wait_node::place::linked) unlink(queue_, &own);
  unlock_word(word_, serve(seen, wakes));
  wakes.wake_all();
  wait_scope::rethrow(won);
  return false;
}

void semaphore::release_slow(std::ptrdiff_t k) {
  const std::uint64_t seen = lock_word(word_);
  if (k < 0 || k > n_ - available(seen)) {
    unlock_word(word_, seen);
    throw std::logic_error(
        "weft::semaphore::release: a negative number of permits, or more than were taken");
  }
  wake_list wakes;
  unlock_word(word_, serve(seen + to_word(k), wakes));
  wakes.wake_all();
}

}  // namespace weft
