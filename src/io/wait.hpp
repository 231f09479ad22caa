// One wait for a descriptor, the same for goroutines, threads and coroutines:
//
//   descriptor_wait w(fd, to_write);
//   if (auto status = w.begin(core, who, limit, ...)) ...   it is over
//   park or commit with (&descriptor_wait::unlock, &w)
//   status = w.end(won)
//
// A wait that ends with a context stands in two queues, linked under both locks, which the commit
// lets go; the claim word decides between readiness, the context's end, a time-out and a close.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "sched/core.hpp"
#include "weft/detail/wait_node.hpp"
#include "weft/wait_limit.hpp"

namespace weft::detail {

struct cancelable_state;
struct descriptor_entry;
class wait_scope;

// In file_descriptor's word of users: it is being closed.
inline constexpr std::uint32_t closing_bit = 0x80000000;

// What a wait for a descriptor that weft owns knows beyond its number.
struct owned_descriptor {
  const std::atomic<std::uint32_t>& users;  // says closing: see closing_bit
  bool edge_triggered;                      // else it is treated as any other
  // The side's count of events before the attempt that would block. Nothing: there was none, so the
  // kernel is asked.
  std::optional<std::uint32_t> seen;
};

// Whether nothing is left to wait for: the limit has passed. Nothing: it may wait.
std::optional<wait_status> has_passed(const wait_limit&) noexcept;
// Of a descriptor, now. Throws if it is not open.
bool is_ready_now(int fd, bool to_write);

class descriptor_wait {
 public:
  descriptor_wait(int fd, bool to_write) noexcept : fd_(fd), to_write_(to_write) {}

  // Nothing: linked, and the locks are held until unlock. Throws if the descriptor cannot be waited
  // for. `cancelled`, too, if what owns it is closing. `ready` may mean: try again.
  std::optional<wait_status> begin(runtime_core&, waiter* who, const wait_limit&,
                                   const owned_descriptor*);
  static void unlock(void* descriptor_wait) noexcept;
  // What the claim says, after unlinking.
  wait_status end(std::uint32_t won) noexcept;
  // Takes it back.
  void unlink(std::uint32_t won) noexcept;

  const char* what() const noexcept {
    return to_write_ ? "descriptor to be writable" : "descriptor to be readable";
  }

 private:
  std::optional<wait_status> link_locked(const owned_descriptor*);

  int fd_;
  bool to_write_;
  descriptor_entry* entry_ = nullptr;
  cancelable_state* ends_with_ = nullptr;  // may be null
  wait_node node_{};
  wait_node end_node_{};
};

// Parks the goroutine or blocks the thread. `owned` may be null.
wait_status wait_descriptor(int fd, bool to_write, const wait_limit&, const owned_descriptor*);

}  // namespace weft::detail
