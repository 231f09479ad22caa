// A word with a lock in bit 0: see weft/detail/wait_queue.hpp.
//
//   const std::uint64_t seen = lock_word(word);       bit 0 is set, seen is the word without it
//   unlock_word(word, next);                          the last touch
//   park_and_unlock(scope, word, next, limit);        the commit unlocks
//
// holder_alone: while bit 0 is set only the holder changes the word: every other operation first
//   waits until it is clear. So the releasing store publishes a whole new state at once, and nobody
//   can act on that state, for instance destroy the object, before the holder's last touch.
#pragma once

#include "park/park.hpp"
#include "weft/detail/wait_queue.hpp"

namespace weft::detail {

constexpr std::uint64_t word_lock = 1;

// The word once its lock bit is clear. Acquire: what its last holder wrote is seen.
inline std::uint64_t unlocked_value(const locked_word& word) noexcept {
  std::uint64_t seen = word.load(std::memory_order_acquire);  // pairs with unlock_word
  for (backoff b; (seen & word_lock) != 0; seen = word.load(std::memory_order_acquire)) b.wait();
  return seen;
}

inline std::uint64_t lock_word(locked_word& word) noexcept {
  for (;;) {
    std::uint64_t seen = unlocked_value(word);
    if (word.compare_exchange_weak(seen, seen | word_lock, std::memory_order_acquire,
                                   std::memory_order_relaxed)) {
      return seen;
    }
  }
}

inline void unlock_word(locked_word& word, std::uint64_t next) noexcept {
  word.store(next & ~word_lock, std::memory_order_release);  // pairs with lock_word and fast paths
}

inline void push_back(wait_queue& q, wait_node* n) noexcept {
  plain_access(&q);
  node_list list{q.first, q.last};
  list.push_back(n);
  q = {list.first, list.last};
}

inline void unlink(wait_queue& q, wait_node* n) noexcept {
  plain_access(&q);
  node_list list{q.first, q.last};
  list.remove(n);
  q = {list.first, list.last};
}

// Takes out nodes until one's waiter is claimed; it is to be woken by `wakes`. False: none was left.
inline bool claim_first(wait_queue& q, wake_list& wakes) noexcept {
  while (wait_node* n = q.first) {
    unlink(q, n);
    waiter* owner = n->owner;
    if (owner->word.claim(claim_case)) {
      wakes.add(owner);
      return true;
    }
  }
  return false;
}

struct pending_unlock {
  locked_word* word;
  std::uint64_t next;
};

inline void unlock_pending(void* argument) noexcept {
  const pending_unlock p = *static_cast<pending_unlock*>(argument);
  unlock_word(*p.word, p.next);
}

// Parks the caller, which holds the lock; the commit lets it go.
inline std::uint32_t park_and_unlock(wait_scope& scope, locked_word& word, std::uint64_t next,
                                     deadline limit) noexcept {
  pending_unlock pending{&word, next};
  return scope.park(&unlock_pending, &pending, limit);
}

inline bool has_passed(deadline limit) noexcept {
  return !limit.is_never() && steady_now() >= limit.at;
}

}  // namespace weft::detail
