// One wait for a descriptor, the same for goroutines, threads and coroutines:
//
//   descriptor_wait w(fd, to_write);
//   if (auto status = w.without_waiting(limit)) ...      no lock, no runtime
//   if (auto status = w.begin(core, who, limit, closing)) ...
//   park or commit with (&descriptor_wait::unlock, &w)
//   status = w.end(won)
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

// In file_descriptor's word of users: it is being closed.
inline constexpr std::uint32_t closing_bit = 0x80000000;

class descriptor_wait {
 public:
  descriptor_wait(int fd, bool to_write) noexcept : fd_(fd), to_write_(to_write) {}

  // Whether it need not wait: it is ready, or the limit has passed. Throws if fd is not open.
  std::optional<wait_status> without_waiting(const wait_limit&) const;
  // Nothing: linked, and the locks are held until unlock. Throws if the descriptor cannot be waited
  // for. `cancelled`, too, if the word says closing.
  std::optional<wait_status> begin(runtime_core&, waiter* who, const wait_limit&,
                                   const std::atomic<std::uint32_t>* closing);
  static void unlock(void* descriptor_wait) noexcept;
  // What the claim says, after unlinking.
  wait_status end(std::uint32_t won) noexcept;
  // Takes it back.
  void unlink(std::uint32_t won) noexcept;

  const char* what() const noexcept {
    return to_write_ ? "descriptor to be writable" : "descriptor to be readable";
  }

 private:
  int fd_;
  bool to_write_;
  descriptor_entry* entry_ = nullptr;
  cancelable_state* ends_with_ = nullptr;  // may be null
  wait_node node_{};
  wait_node end_node_{};
};

// As wait_readable and wait_writable; `cancelled` too if the word says closing.
wait_status wait_descriptor(int fd, bool to_write, const wait_limit& limit,
                            const std::atomic<std::uint32_t>* closing);

}  // namespace weft::detail
