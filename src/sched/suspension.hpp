// A suspended coroutine as the scheduler sees it. It lies in the awaiter, so in the coroutine's
// frame, and is raw memory until the coroutine suspends (weft/detail/async.hpp).
//
// Its head is a seed: to wake the coroutine is to queue it, without an allocation. A worker that
// picks it binds a stack, as for any seed, and runs `finish` and then the coroutine on it.
//
// While it waits it stands in a list of its core, by the links of that head: the end of a run finds
// it there. Who wakes it takes it out first.
// one_owner: whoever wins the claim word queues it; so nobody else has it in a list by then, but
//   the end of a run, which leaves what it has claimed in the list of its core until it resumes it.
#pragma once

#include <coroutine>
#include <cstdint>
#include <mutex>

#include "base/spin_lock.hpp"
#include "sched/claim_word.hpp"
#include "weft/detail/seed.hpp"

namespace weft::detail {

struct suspension;

// What kind of wait it is; see src/park/coroutine.hpp.
struct suspension_type {
  const char* what;  // for dumps
  // On a worker, with the wait decided: what a goroutine does after park. True: there is an outcome,
  // and the coroutine goes on. False: it waits again, so it must not be touched any more.
  bool (*finish)(suspension&, std::uint32_t won) noexcept;
  // The coroutine is destroyed while it waits: takes back every node and timer.
  void (*withdraw)(suspension&) noexcept;
};

struct listed_seed : seed {
  static constexpr std::uint8_t in_no_list = 255;
  std::uint8_t shard = in_no_list;  // guarded by the shard's lock
};

struct suspension : listed_seed, waiter {
  waiter& wait() noexcept { return *this; }

  runtime_core* core = nullptr;
  std::coroutine_handle<> who;
  const suspension_type* type = nullptr;
  std::int64_t since = 0;  // guarded by the shard's lock
};

inline suspension* suspension_of(waiter* w) noexcept { return static_cast<suspension*>(w); }

// The suspended coroutines of a core, in parts, so that its workers seldom meet.
class suspended_list {
 public:
  static constexpr unsigned shards = 8;
  struct alignas(64) shard {
    spin_lock lock;
    seed* first = nullptr;
  };

  void link(suspension& s, unsigned index) noexcept {
    seed& links = s;
    shard& home = shards_[index];
    s.shard = static_cast<std::uint8_t>(index);
    links.prev = nullptr;
    std::lock_guard guard(home.lock);
    links.next = home.first;
    if (links.next != nullptr) links.next->prev = &links;
    home.first = &links;
  }
  // By who has won its claim word.
  void unlink(suspension& s) noexcept {
    if (s.shard == suspension::in_no_list) return;
    shard& home = shards_[s.shard];
    std::lock_guard guard(home.lock);
    unlink_locked(home, s);
  }
  // By who destroys it. False: somebody else has completed the wait.
  bool withdraw(suspension& s) noexcept {
    const bool won = s.wait().word.claim(claim_cancelled);
    if (s.shard == suspension::in_no_list) return won;
    shard& home = shards_[s.shard];
    std::lock_guard guard(home.lock);
    // Claimed by the end of the run, but not resumed by it yet.
    if (!won && (s.wait().word.value() != claim_exit || s.shard == suspension::in_no_list)) return false;
    unlink_locked(home, s);
    return true;
  }
  // Visits every one, under its shard's lock. Where the visit says so it is taken out.
  template <class Visit>
  void for_each(Visit visit) noexcept {
    for (shard& part : shards_) {
      std::lock_guard guard(part.lock);
      for (seed* at = part.first; at != nullptr;) {
        auto& s = static_cast<suspension&>(*at);
        at = at->next;
        if (visit(s)) unlink_locked(part, s);
      }
    }
  }

 private:
  static void unlink_locked(shard& home, suspension& s) noexcept {
    seed& links = s;
    (links.prev != nullptr ? links.prev->next : home.first) = links.next;
    if (links.next != nullptr) links.next->prev = links.prev;
    s.shard = suspension::in_no_list;
  }

  shard shards_[shards];
};

}  // namespace weft::detail
