// The control block of a started goroutine, at the top of its stack. Before that it is a seed.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/sanitizer.hpp"
#include "sched/claim_word.hpp"
#include "stack/stack_pool.hpp"
#include "switch/context.hpp"
#include "switch/thread_local.hpp"
#include "weft/detail/seed.hpp"

namespace weft::detail {

struct local_table;

// What others see of a goroutine. Whether it waits is told by its claim word alone: open, it is
// parked; claimed, it can run; none, it runs or has yielded.
enum class goroutine_state : std::uint8_t { none, alive };

#if WEFT_TSAN
// A fibre of TSan's, and whether a thread is on it. A goroutine can be resumed elsewhere as soon as
// its commit is done, before the worker that it left has told TSan so.
struct fibre_slot {
  void* fibre;
  std::atomic<bool> in_use{false};
};
#endif

struct goroutine {
  saved_context context;  // valid from the commit of a switch away until the next switch to it
  goroutine* next;        // in a run queue or a list of idle stacks
  seed* birth;            // what to run first
  waiter wait;
  // Read by dump, stats and the end of a run from other threads.
  std::atomic<runtime_core*> core;
  std::atomic<std::uint64_t> id;
  std::atomic<goroutine_state> state;
  std::atomic<const char*> waits_for;      // a string constant
  std::atomic<std::int64_t> waits_since;   // the worker's coarse time
  std::atomic<bool> waits_on;              // the end of its run does not end this wait
  std::string* name;                       // guarded by the lock in src/runtime/report.cpp
  // By the goroutine itself.
  exception_globals saved_exceptions;
  bool has_saved_exceptions;
  seed_kind kind;
  bool unwinds_by_exit;
  bool has_extras;          // a name, locals or a pin that its end has to look after
  std::uint32_t exit_guards;
  std::uint32_t pins;       // pinned objects alive: it keeps its thread
  local_table* locals;      // see src/sched/locals.hpp
#if WEFT_TSAN
  fibre_slot* tsan_fibre;
#endif
#if WEFT_ASAN
  void* asan_fake_stack;
#endif
#if WEFT_FORCE_MIGRATION
  const worker* ran_on;  // last; see migration.cpp
#endif
  char* stack_low;  // for the sanitizers; null elsewhere
  std::size_t stack_bytes;
};
static_assert(sizeof(goroutine) <= control_block_size);

inline goroutine* goroutine_of(waiter* w) noexcept {
  return reinterpret_cast<goroutine*>(reinterpret_cast<char*>(w) - offsetof(goroutine, wait));
}

// Something that can run: a goroutine or a seed, or nothing.
struct runnable {
  goroutine* started = nullptr;
  seed* fresh = nullptr;
  explicit operator bool() const noexcept { return started != nullptr || fresh != nullptr; }
};

// FIFO of goroutines.
struct goroutine_list {
  goroutine* first = nullptr;
  goroutine* last = nullptr;
  std::uint32_t count = 0;

  void push_back(goroutine* g) noexcept {
    plain_access(this);
    g->next = nullptr;
    (last == nullptr ? first : last->next) = g;
    last = g;
    ++count;
  }
  goroutine* pop_front() noexcept {
    plain_access(this);
    goroutine* g = first;
    if (g == nullptr) return nullptr;
    first = g->next;
    if (first == nullptr) last = nullptr;
    --count;
    return g;
  }
  void append(goroutine_list& other) noexcept {
    plain_access(this);
    if (other.first == nullptr) return;
    (last == nullptr ? first : last->next) = other.first;
    last = other.last;
    count += other.count;
    other = {};
  }
  // Cuts off the n oldest.
  goroutine_list cut(std::uint32_t n) noexcept {
    plain_access(this);
    goroutine_list part;
    for (; n > 0 && first != nullptr; --n) part.push_back(pop_front());
    return part;
  }
};

// Newest first for the owner, oldest first for thieves.
struct seed_list {
  seed* newest = nullptr;
  seed* oldest = nullptr;
  std::uint32_t count = 0;

  void push_newest(seed* s) noexcept {
    plain_access(this);
    s->prev = nullptr;
    s->next = newest;
    (newest == nullptr ? oldest : newest->prev) = s;
    newest = s;
    ++count;
  }
  void push_oldest(seed* s) noexcept {
    s->next = nullptr;
    s->prev = oldest;
    (oldest == nullptr ? newest : oldest->next) = s;
    oldest = s;
    ++count;
  }
  seed* pop_newest() noexcept {
    plain_access(this);
    seed* s = newest;
    if (s == nullptr) return nullptr;
    newest = s->next;
    (newest == nullptr ? oldest : newest->prev) = nullptr;
    --count;
    return s;
  }
  seed* pop_oldest() noexcept {
    plain_access(this);
    seed* s = oldest;
    if (s == nullptr) return nullptr;
    oldest = s->prev;
    (oldest == nullptr ? newest : oldest->next) = nullptr;
    --count;
    return s;
  }
  // All of other become older than what is here.
  void append_older(seed_list& other) noexcept {
    plain_access(this);
    if (other.newest == nullptr) return;
    other.newest->prev = oldest;
    (oldest == nullptr ? newest : oldest->next) = other.newest;
    oldest = other.oldest;
    count += other.count;
    other = {};
  }
  // Cuts off the n oldest.
  seed_list cut(std::uint32_t n) noexcept {
    plain_access(this);
    if (n >= count) {
      seed_list all = *this;
      *this = {};
      return all;
    }
    if (n == 0) return {};
    seed* from = oldest;
    for (std::uint32_t i = 1; i < n; ++i) from = from->prev;
    seed_list part{from, oldest, n};
    oldest = from->prev;
    oldest->next = nullptr;
    from->prev = nullptr;
    count -= n;
    return part;
  }
};

}  // namespace weft::detail
