// Who waits for which descriptor: one epoll instance a runtime, an entry a number.
//
// What weft owns (sockets and pipes, while a file_descriptor has them) is registered once for both
// directions, edge-triggered, when something has to wait for it first, and taken out before the
// number is closed or given away. Everything else has level semantics, since a library may read only
// a part: each wait arms the descriptor for one event.
//
// An entry is never freed while its poller lives. Its lock guards the waits; events are dispatched
// under it, so a wait that has armed but not yet switched away cannot be woken: its commit lets the
// lock go.
//
// counted_events: an edge comes once. Who is about to try something reads `events` of the side first
//   and waits only if, under the lock, it is still the same: what came ready before the attempt was
//   found by it, what comes later is another event, and one that was dispatched in between has
//   changed the count. So between the attempt and the wait nothing can be missed.
// exhausted: the count that stood there before an attempt which left nothing; while no event has
//   come since, another attempt is superfluous. Hang-ups and the like come once and stay, so then
//   nothing is exhausted.
// epochs: an event carries the entry's epoch. It changes when the registration ends, and with every
//   arming, so what belongs to a number's last life wakes nobody, nor what has been read meanwhile.
// both_at_once: where the registration is edge-triggered, a level wait asks the kernel to look again
//   (EPOLL_CTL_MOD); the event is for all. One of before that is on its way is dropped: what it told of
//   is told again, if it is still there.
// Order of locks: a select's channels, then an entry, then a context.
// Proved by: tests/conformance/readiness_test.cpp, descriptor_*.cpp, tests/unit/poller_test.cpp,
//   tests/stress/io_stress.cpp.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/spin_lock.hpp"
#include "park/park.hpp"
#include "sched/core.hpp"
#include "sched/poller.hpp"

struct epoll_event;

namespace weft::detail {

class epoll_poller;

// One direction of a descriptor.
struct descriptor_side {
  node_list waits;  // under the entry's lock
  // Written under the lock. Release: pairs with the look before an attempt, which sees hung_up.
  std::atomic<std::uint32_t> events{0};
  std::atomic<std::uint32_t> exhausted{0};  // by anybody, after an attempt; a count of events
};

struct descriptor_entry {
  descriptor_side& side(bool to_write) noexcept { return to_write ? writing : reading; }
  // Without the lock: false may be out of date, and costs an attempt.
  bool is_exhausted(bool to_write, std::uint32_t seen) noexcept {
    return registered.load(std::memory_order_relaxed) && !hung_up.load(std::memory_order_relaxed) &&
           side(to_write).exhausted.load(std::memory_order_relaxed) == seen;
  }

  spin_lock lock;
  int fd = -1;
  std::uint32_t epoch = 0;               // under the lock
  bool known = false;                    // to the kernel, perhaps; under the lock
  std::atomic<bool> registered{false};   // edge-triggered; written under the lock
  std::atomic<bool> hung_up{false};      // written under the lock
  epoll_poller* home = nullptr;
  descriptor_side reading;
  descriptor_side writing;
};

class epoll_poller final : public poller {
 public:
  epoll_poller();  // throws std::system_error
  ~epoll_poller() override;

  void poll(std::int64_t until) noexcept override;
  void interrupt() noexcept override;
  std::size_t waiting() const noexcept override { return waiting_.load(std::memory_order_seq_cst); }

  descriptor_entry& entry_of(int fd);             // throws std::bad_alloc
  descriptor_entry* find_entry(int fd) noexcept;  // null: nothing has ever waited for it

  // What asking the kernel has found out.
  enum class armed { waits, always_ready, failed };

  // Adds the node and has the kernel say when the descriptor is ready, at once if it is. Unless it
  // waits, the node is out.
  armed add_locked(descriptor_entry&, bool to_write, wait_node&) noexcept;
  // Adds the node, for one that is registered.
  void link_locked(descriptor_entry&, bool to_write, wait_node&) noexcept;
  void remove_locked(descriptor_entry&, bool to_write, wait_node&) noexcept;
  // Edge-triggered from now on. What is ready already is an event, too.
  armed register_locked(descriptor_entry&) noexcept;

  // Ends all waits and the registration.
  void cancel(int fd) noexcept;
  static void cancel_everywhere(int fd) noexcept;

  std::atomic<epoll_poller*> next_poller{nullptr};  // see poller_list

 private:
  static constexpr std::uint64_t wakeup_key = ~std::uint64_t{0};
  static constexpr std::size_t chunk_size = 256;
  static constexpr std::size_t most_chunks = 16384;  // four million descriptors

  bool control(int what, int fd, epoll_event* event) noexcept;
  bool modify_or_add(int fd, epoll_event& event) noexcept;
  armed arm_locked(descriptor_entry&) noexcept;
  void dispatch(int fd, std::uint32_t epoch, std::uint32_t events, wake_list&,
                std::size_t* claimed) noexcept;
  void claim_all_locked(descriptor_entry&, bool to_write, std::uint32_t value, wake_list&,
                        std::size_t* claimed) noexcept;
  int wait(epoll_event* events, int most, std::int64_t until) noexcept;

  int epoll_ = -1;
  int wakeup_ = -1;
  const std::uint32_t generation_;  // of the process: see control()
  std::atomic<std::size_t> waiting_{0};
  std::atomic<bool> has_pwait2_;
  std::atomic<descriptor_entry*> chunks_[most_chunks] = {};
};

std::unique_ptr<poller> make_poller();  // throws std::system_error

inline epoll_poller& poller_of(runtime_core& core) noexcept {
  return static_cast<epoll_poller&>(*core.descriptors());
}

}  // namespace weft::detail
