// A channel without its element's type.
//
// Unbuffered: one lock (that of the send side) guards both queues.
// Buffered: a lock an end. The fast paths take only their own end's lock; each ring slot carries a
//   full flag, so that no end reads the other's index.
//
// full_flag: a send tests the flag (acquire), writes, sets it (release); a receive tests it
//   (acquire), takes, clears it (release). So the k-th receive happens before the (k+C)-th send.
// queues_under_both: waiter queues, `closed_` and `dying_` change under both locks; so either lock
//   suffices to read them. An operation that sees waiters of the other side lets go, takes both
//   locks and looks again; who parks takes both, looks again and registers. With only one of the
//   two, or a look before the lock, wake-ups are lost.
// empty_or_full: a live waiting receiver means an empty ring, a live waiting sender a full one.
// last_touch: the unlock is the last touch of an operation; wakes come after it. So whoever got
//   the value may drop the last handle at once.
// counted_out: a popped node whose owner still comes back here (it lost a claim, or is one of
//   several of a select, or is told to look again) is counted in `stale` until then. The last handle's destructor detaches
//   the waiting nodes, whose owners then wait for ever, and leaves the memory to the last owner
//   that comes back, if any.
// Values move under the locks. A throwing move leaves every claim decided: the partner is told to
//   look again.
// Order of locks: channels by address, send side before receive side; then a timer wheel's.
// Proved by: tests/model/channel_model.cpp, tests/stress, tests/conformance.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/sanitizer.hpp"
#include "base/spin_lock.hpp"
#include "park/park.hpp"
#include "weft/detail/channel.hpp"
#include "weft/detail/wait_node.hpp"

namespace weft::detail {

// Told whenever a channel is left with one handle. That of its maker, if nobody can get another from
// there: then nobody else will use the channel. Counted, since the channel may go meanwhile.
class handle_watcher {
 public:
  virtual void one_is_left() noexcept = 0;  // by several at once
  void retain() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

 protected:
  virtual ~handle_watcher() = default;

 private:
  std::atomic<std::uint32_t> references_{1};
};

enum class attempt { done, closed, would_wait };
enum class direction : std::uint8_t { send, receive };

class channel {
 public:
  static channel* make(const element_type&, std::size_t capacity);
  void retain() noexcept { handles_.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept;
  // Before others have the channel; takes over a reference.
  void watch_handles(handle_watcher* w) noexcept { watcher_ = w; }
  bool has_one_handle() const noexcept { return handles_.load(std::memory_order_acquire) == 1; }

  // Never wait. May throw what T's copy or move throws, with all locks let go.
  attempt try_send(void* value, const sender_type& how);
  attempt try_receive(void* box);

  // For what has to look at several things at once.
  void lock() noexcept;
  void unlock() noexcept;
  // Lets go, and frees the channel if its handles are gone and nobody will come back.
  void unlock_and_leave() noexcept;
  attempt send_locked(void* value, const sender_type& how, wake_list&);
  attempt receive_locked(void* box, wake_list&);
  void link_locked(wait_node&, direction) noexcept;
  void unlink_locked(wait_node&, direction) noexcept;
  // By who was woken, of a channel that may be gone: for TSan, which sees neither a tick nor what a
  // context's deadline does. Orders after what was known when a tick was armed, and after the last
  // who was linked behind the waiter, and wrote to its node.
  static void order_after_wake(channel* c) noexcept {
    order_after(c);
    order_after(&c->sender_.lock);
    order_after(&c->receiver_.lock);
  }
  // A waiter that was told to look again: counts it out. True: with a handle of its own from here
  // on, since it is in no queue while it looks. False: the channel is gone.
  bool come_back(wait_node&, direction) noexcept;
  // Under the locks. False: the last handle is gone.
  bool try_retain() noexcept;

  void close();
  bool is_closed() const noexcept { return closed_.load(std::memory_order_acquire); }
  std::size_t size() const noexcept;
  std::size_t capacity() const noexcept { return capacity_; }

  // Without a lock: a guess, and what the guess rests on. If no stamp of a set of channels has
  // changed between two looks, all the guesses held at one instant between them.
  struct stamp {
    std::uint64_t a, b;
    bool closed;
    friend bool operator==(const stamp&, const stamp&) = default;
  };
  bool may_be_ready(direction) const noexcept;
  stamp look(direction, bool& maybe_ready) const noexcept;

  // For select, while it locks several: the next by address.
  static bool comes_before(const channel* a, const channel* b) noexcept {
    return reinterpret_cast<std::uintptr_t>(a) < reinterpret_cast<std::uintptr_t>(b);
  }

 private:
  struct queue {
    node_list nodes;
    std::uint32_t stale = 0;
    // For looks without a lock: no node was ever linked since if `arrivals` is the same, and none
    // is if `any` is false. Written under the lock.
    atomic<bool> any{false};
    atomic<std::uint64_t> arrivals{0};

    void push_back(wait_node* n) noexcept {
      nodes.push_back(n);
      // In this order, or a look in between would miss it twice.
      any.store(true, std::memory_order_release);
      arrivals.store(arrivals.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }
    void remove(wait_node* n) noexcept {
      nodes.remove(n);
      if (nodes.first == nullptr) any.store(false, std::memory_order_release);
    }
    wait_node* pop_front() noexcept {
      plain_access(&nodes);
      wait_node* n = nodes.first;
      set_place(*n, wait_node::place::outside);
      nodes.first = n->next;
      if (n->next != nullptr) {
        n->next->previous = nullptr;
      } else {
        nodes.last = nullptr;
        any.store(false, std::memory_order_release);
      }
      return n;
    }
  };
  struct alignas(64) end {
    spin_lock lock;
    std::uint32_t slot = 0;             // where this end works next, under its lock
    atomic<std::uint64_t> position{0};  // operations done; for looks and size
  };
  using flag = atomic<std::uint32_t>;

  channel(const element_type& type, std::size_t capacity, std::size_t stride,
          std::size_t offset) noexcept
      : type_(type), capacity_(capacity), stride_(stride), offset_(offset) {}
  ~channel();

  char* slot_at(std::uint32_t i) noexcept { return ring_ + std::size_t{i} * stride_; }
  flag& flag_of(char* slot) noexcept { return *reinterpret_cast<flag*>(slot); }
  void* element_of(char* slot) noexcept { return slot + offset_; }
  void release_watched() noexcept;
  void leave_to_the_waiting() noexcept;
  void advance(end& e) noexcept {
    e.slot = e.slot + 1 == capacity_ ? 0 : e.slot + 1;
    e.position.store(e.position.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }
  bool put_in_ring(void* value, const sender_type& how);
  bool take_from_ring(void* box);
  void refill_locked(wake_list&) noexcept;
  wait_node* claim_first(queue&) noexcept;
  void tell_to_retry(queue&, wait_node&) noexcept;
  void close_queue_locked(queue&, wake_list&) noexcept;
  void detach_all_locked(queue&) noexcept;
  bool nobody_comes_back() const noexcept;
  attempt try_send_slow(void* value, const sender_type& how);
  attempt try_receive_slow(void* box);

 public:
  // An unbuffered send or receive of a goroutine that waits as long as it takes. With must_wait the
  // channel is locked, and wait_to_meet goes on.
  enum class meeting { done, must_wait, general };
  template <direction D>
  meeting try_meet(worker* w, void* element, const sender_type* how);
  template <direction D>
  void link_for_meeting(wait_node& n) noexcept {
    (D == direction::send ? senders_ : receivers_).push_back(&n);
  }
  spin_lock& lock_of_meetings() noexcept { return sender_.lock; }
  void leave_after(wait_node&, direction, std::uint32_t won);

 private:

  atomic<std::uint32_t> handles_{1};
  handle_watcher* watcher_ = nullptr;  // does not change once the channel is shared
  atomic<bool> closed_{false};
  bool dying_ = false;
  const element_type& type_;
  const std::size_t capacity_;
  const std::size_t stride_;
  const std::size_t offset_;
  char* ring_ = nullptr;
  end sender_;
  end receiver_;
  // Under both locks. Each end looks at the other's queue in each operation, so they lie apart from
  // what either end writes in each: two workers would fetch that line from each other.
  alignas(64) queue senders_;
  queue receivers_;
};

inline bool channel::may_be_ready(direction d) const noexcept {
  bool maybe = false;
  look(d, maybe);
  return maybe;
}

inline channel::stamp channel::look(direction d, bool& maybe_ready) const noexcept {
  stamp s{};
  s.closed = closed_.load(std::memory_order_acquire);
  if (capacity_ == 0) {
    const queue& partners = d == direction::send ? receivers_ : senders_;
    s.a = partners.arrivals.load(std::memory_order_acquire);
    s.b = partners.any.load(std::memory_order_acquire) ? 1 : 0;
    maybe_ready = s.closed || s.b != 0;
  } else {
    // One's own end first: what is then seen of the other was so at that moment.
    if (d == direction::send) {
      s.b = sender_.position.load(std::memory_order_acquire);
      s.a = receiver_.position.load(std::memory_order_acquire);
      // A receive may be counted before the send that it took from: b < a, and there is room.
      maybe_ready = s.closed || s.b < s.a || s.b - s.a < capacity_;
    } else {
      s.a = receiver_.position.load(std::memory_order_acquire);
      s.b = sender_.position.load(std::memory_order_acquire);
      maybe_ready = s.closed || s.a != s.b;
    }
  }
  return s;
}

// All locks of one channel, for operations that may throw under them.
class locked_channel {
 public:
  explicit locked_channel(channel& c) noexcept : channel_(&c) { c.lock(); }
  ~locked_channel() {
    if (channel_ != nullptr) channel_->unlock();
    wakes.wake_all();
  }
  // Keeps the locks, for a commit to let go.
  void leave_locked() noexcept { channel_ = nullptr; }
  locked_channel(const locked_channel&) = delete;
  locked_channel& operator=(const locked_channel&) = delete;

  wake_list wakes;

 private:
  channel* channel_;
};

// For commits.
inline void unlock_channel(void* c) { static_cast<channel*>(c)->unlock(); }

}  // namespace weft::detail
