#include "chan/channel.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <limits>
#include <mutex>
#include <new>

namespace weft::detail {

// ---- Life ----------------------------------------------------------------------------------

channel* channel::make(const element_type& type, std::size_t capacity) {
  const std::size_t align = std::max({type.align, alignof(channel), alignof(flag)});
  const std::size_t offset = std::max(sizeof(flag), type.align);
  const std::size_t stride = (offset + type.size + std::max(type.align, alignof(flag)) - 1) /
                             std::max(type.align, alignof(flag)) *
                             std::max(type.align, alignof(flag));
  const std::size_t head = (sizeof(channel) + align - 1) / align * align;
  if (capacity >= std::numeric_limits<std::uint32_t>::max() ||
      capacity > (std::numeric_limits<std::size_t>::max() / 2 - head) / stride) {
    throw std::bad_alloc();
  }
  void* memory = ::operator new(head + capacity * stride, std::align_val_t{align});
  auto* c = ::new (memory) channel(type, capacity, stride, offset);
  c->ring_ = static_cast<char*>(memory) + head;
  for (std::size_t i = 0; i < capacity; ++i) {
    ::new (static_cast<void*>(c->slot_at(static_cast<std::uint32_t>(i)))) flag(0);
  }
  return c;
}

channel::~channel() {
  if (watcher_ != nullptr) watcher_->release();
  for (std::size_t i = 0; i < capacity_; ++i) {
    char* slot = slot_at(static_cast<std::uint32_t>(i));
    if (flag_of(slot).load(std::memory_order_relaxed) != 0) type_.drop(element_of(slot));
  }
}

namespace {
#if WEFT_TSAN
// Who was woken tells TSan that it comes after what was done under this channel's locks
// (order_after_wake), when the channel may be gone. libtsan looks an address up without excluding that
// its memory is freed meanwhile, and crashes then; so the memory is kept until 512 others went.
void destroy(channel* c, std::size_t align) noexcept {
  static std::atomic<std::uintptr_t> kept[512];  // with the alignment's logarithm in the low bits
  static std::atomic<unsigned> next{0};
  static_assert(alignof(channel) >= 64);
  tsan_blind blind;  // orders nobody, and frees what it is in no order with that TSan knows
  const auto packed = reinterpret_cast<std::uintptr_t>(c) | std::countr_zero(align);
  const std::uintptr_t old = kept[next.fetch_add(1) % std::size(kept)].exchange(packed);
  if (old == 0) return;
  ::operator delete(reinterpret_cast<void*>(old & ~std::uintptr_t{63}),
                    std::align_val_t{std::size_t{1} << (old & 63)});
}
#else
void destroy(channel* c, std::size_t align) noexcept {
  ::operator delete(static_cast<void*>(c), std::align_val_t{align});
}
#endif
}  // namespace

void channel::release() noexcept {
  if (watcher_ != nullptr) [[unlikely]] return release_watched();
  if (handles_.fetch_sub(1, std::memory_order_release) == 1) leave_to_the_waiting();
}

void channel::release_watched() noexcept {
  handle_watcher* const w = watcher_;
  w->retain();  // who has the last handle may be quicker
  const std::uint32_t before = handles_.fetch_sub(1, std::memory_order_release);
  if (before == 2) w->one_is_left();
  w->release();
  if (before == 1) leave_to_the_waiting();
}

// The last handle is gone.
void channel::leave_to_the_waiting() noexcept {
  handles_.load(std::memory_order_acquire);  // pairs with the other handles' releases
  // Always under the locks: an operation that has handed over its value may still be unlocking.
  lock();
  detach_all_locked(senders_);
  detach_all_locked(receivers_);
  dying_ = true;
  unlock_and_leave();
}

void channel::detach_all_locked(queue& q) noexcept {
  for (wait_node* n = q.nodes.first; n != nullptr;) {
    wait_node* next = n->next;
    // Held, its owner cannot be woken and leave meanwhile. One that is claimed comes to unlink.
    if (n->owner->word.hold()) {
      q.remove(n);
      set_place(*n, wait_node::place::detached);
      n->owner->word.unhold();
    }
    n = next;
  }
}

bool channel::nobody_comes_back() const noexcept {
  return senders_.nodes.empty() && receivers_.nodes.empty() &&
         senders_.stale == 0 && receivers_.stale == 0;
}

void channel::unlock_and_leave() noexcept {
  const bool last = dying_ && nobody_comes_back();
  unlock();
  if (last) {
    const std::size_t align = std::max({type_.align, alignof(channel), alignof(flag)});
    this->~channel();
    destroy(this, align);
  }
}

// ---- Locks and queues ----------------------------------------------------------------------

void channel::lock() noexcept {
  sender_.lock.lock();
  if (capacity_ != 0) receiver_.lock.lock();
}

void channel::unlock() noexcept {
  if (capacity_ != 0) receiver_.lock.unlock();
  sender_.lock.unlock();
}

void channel::link_locked(wait_node& n, direction d) noexcept {
  queue& q = d == direction::send ? senders_ : receivers_;
  n.closed = false;
  q.push_back(&n);
}

void channel::unlink_locked(wait_node& n, direction d) noexcept {
  queue& q = d == direction::send ? senders_ : receivers_;
  if (get_place(n) == wait_node::place::linked) {
    q.remove(&n);
  } else if (get_place(n) == wait_node::place::popped) {
    --q.stale;
    set_place(n, wait_node::place::outside);
  }
}

// Takes the first waiter that nobody else has claimed.
wait_node* channel::claim_first(queue& q) noexcept {
  while (!q.nodes.empty()) {
    wait_node* n = q.pop_front();
    waiter* owner = n->owner;
    // A node of several, and one that lost its claim, comes back to be counted out. One that is
    // won alone does not: it must not be touched after the wake.
    const bool shares = n->shares_owner;
    if (shares) {
      set_place(*n, wait_node::place::popped);
      ++q.stale;
    }
    if (owner->word.claim(claim_case + n->index)) return n;
    if (!shares) {
      set_place(*n, wait_node::place::popped);
      ++q.stale;
    }
  }
  return nullptr;
}

// The claimed waiter's value could not be moved. It comes back here, so it is counted.
void channel::tell_to_retry(queue& q, wait_node& n) noexcept {
  if (!n.shares_owner) {
    set_place(n, wait_node::place::popped);
    ++q.stale;
  }
  n.owner->word.change_to_retry();
}

bool channel::come_back(wait_node& n, direction d) noexcept {
  lock();
  unlink_locked(n, d);
  const bool stays = try_retain();
  unlock_and_leave();
  return stays;
}

bool channel::try_retain() noexcept {
  std::uint32_t n = handles_.load(std::memory_order_relaxed);
  // At none its destructor is on its way to these locks, or has been here.
  while (n != 0) {
    if (handles_.compare_exchange_weak(n, n + 1, std::memory_order_relaxed)) return true;
  }
  return false;
}

// ---- The ring ------------------------------------------------------------------------------

// Under the send side's lock; false: full.
inline bool channel::put_in_ring(void* value, const sender_type& how) {
  char* slot = slot_at(sender_.slot);
  if (flag_of(slot).load(std::memory_order_acquire) != 0) return false;
  plain_access(element_of(slot));
  if (how.is_word) {
    std::memcpy(element_of(slot), value, 8);
  } else {
    how.put(element_of(slot), value);
  }
  flag_of(slot).store(1, std::memory_order_release);  // pairs with take_from_ring
  advance(sender_);
  return true;
}

// Under the receive side's lock; false: empty. If T's move throws, the value is dropped.
inline bool channel::take_from_ring(void* box) {
  char* slot = slot_at(receiver_.slot);
  if (flag_of(slot).load(std::memory_order_acquire) == 0) return false;
  struct clear {
    channel* c;
    char* slot;
    ~clear() {
      c->flag_of(slot).store(0, std::memory_order_release);  // pairs with put_in_ring
      c->advance(c->receiver_);
    }
  } at_end{this, slot};
  plain_access(element_of(slot));
  type_.take(box, element_of(slot));
  return true;
}

// Room has become free: waiting senders' values move up. One whose move throws is told to look
// again and gets the exception itself.
void channel::refill_locked(wake_list& wakes) noexcept {
  while (!senders_.nodes.empty()) {
    if (flag_of(slot_at(sender_.slot)).load(std::memory_order_acquire) != 0) return;
    wait_node* n = claim_first(senders_);
    if (n == nullptr) return;
    waiter* owner = n->owner;
    plain_access(n->element);
    try {
      put_in_ring(n->element, *n->sender);
    } catch (...) {
      tell_to_retry(senders_, *n);
    }
    wakes.add(owner);
  }
}

// ---- Sending and receiving -----------------------------------------------------------------

attempt channel::send_locked(void* value, const sender_type& how, wake_list& wakes) {
  if (closed_.load(std::memory_order_relaxed)) return attempt::closed;
  if (wait_node* n = claim_first(receivers_)) {
    waiter* owner = n->owner;
    plain_access(n->element);
    try {
      how.give(n->element, value);
    } catch (...) {
      tell_to_retry(receivers_, *n);
      wakes.add(owner);
      throw;
    }
    wakes.add(owner);
    return attempt::done;
  }
  if (capacity_ != 0 && put_in_ring(value, how)) return attempt::done;
  return attempt::would_wait;
}

attempt channel::receive_locked(void* box, wake_list& wakes) {
  if (capacity_ != 0) {
    struct refill {
      channel* c;
      wake_list& wakes;
      ~refill() { c->refill_locked(wakes); }
    } at_end{this, wakes};
    if (take_from_ring(box)) return attempt::done;
  } else if (wait_node* n = claim_first(senders_)) {
    waiter* owner = n->owner;
    plain_access(n->element);
    try {
      n->sender->give(box, n->element);
    } catch (...) {
      tell_to_retry(senders_, *n);
      wakes.add(owner);
      throw;
    }
    wakes.add(owner);
    return attempt::done;
  }
  return closed_.load(std::memory_order_relaxed) ? attempt::closed : attempt::would_wait;
}

[[gnu::noinline]] attempt channel::try_send_slow(void* value, const sender_type& how) {
  locked_channel locked(*this);
  return send_locked(value, how, locked.wakes);
}

attempt channel::try_send(void* value, const sender_type& how) {
  if (capacity_ == 0) return try_send_slow(value, how);
  std::unique_lock guard(sender_.lock);
  if (closed_.load(std::memory_order_relaxed)) return attempt::closed;
  if (!receivers_.nodes.empty()) {
    guard.unlock();
    return try_send_slow(value, how);
  }
  return put_in_ring(value, how) ? attempt::done : attempt::would_wait;
}

[[gnu::noinline]] attempt channel::try_receive_slow(void* box) {
  locked_channel locked(*this);
  return receive_locked(box, locked.wakes);
}

attempt channel::try_receive(void* box) {
  if (capacity_ == 0) return try_receive_slow(box);
  std::unique_lock guard(receiver_.lock);
  if (!senders_.nodes.empty()) {
    guard.unlock();
    return try_receive_slow(box);
  }
  if (take_from_ring(box)) return attempt::done;
  return closed_.load(std::memory_order_relaxed) ? attempt::closed : attempt::would_wait;
}

// ---- Closing -------------------------------------------------------------------------------

void channel::close_queue_locked(queue& q, wake_list& wakes) noexcept {
  while (wait_node* n = claim_first(q)) {
    n->closed = true;
    wakes.add(n->owner);
  }
}

void channel::close() {
  locked_channel locked(*this);
  if (closed_.load(std::memory_order_relaxed)) {
    throw closed_channel("weft::chan::close: the channel is closed already");
  }
  closed_.store(true, std::memory_order_release);  // pairs with is_closed
  close_queue_locked(receivers_, locked.wakes);
  close_queue_locked(senders_, locked.wakes);
}

// ---- Looking without a lock ----------------------------------------------------------------

std::size_t channel::size() const noexcept {
  if (capacity_ == 0) return 0;
  for (;;) {
    const std::uint64_t received = receiver_.position.load(std::memory_order_acquire);
    const std::uint64_t sent = sender_.position.load(std::memory_order_acquire);
    // The flag comes before the position on both sides, so a receive may be counted before the
    // send that it took from; then look again. Too many: receives came in between.
    if (sent < received || sent - received > capacity_) continue;
    if (receiver_.position.load(std::memory_order_acquire) == received) {
      return static_cast<std::size_t>(sent - received);
    }
  }
}

// ---- The interface of the headers ----------------------------------------------------------

namespace {

// What come_back gave to an operation that looks again.
class own_handle {
 public:
  own_handle() noexcept = default;
  ~own_handle() {
    if (channel_ != nullptr) channel_->release();
  }
  own_handle(const own_handle&) = delete;
  own_handle& operator=(const own_handle&) = delete;
  void hold(channel* c) noexcept {
    if (channel_ != nullptr) channel_->release();
    channel_ = c;
  }

 private:
  channel* channel_ = nullptr;
};

chan_status wait_for_nothing(deadline limit, chan_status at_once, const char* what) {
  if (limit.is_none()) return at_once;
  wait_scope scope(what);
  scope.check_exit();
  wait_scope::rethrow(scope.park(nullptr, nullptr, limit));
  return chan_status::timeout;
}

void commit_unlock(worker*, goroutine* from, void* lock) noexcept {
  from->wait.word.open();
  static_cast<spin_lock*>(lock)->unlock();
}

// What a closed channel does to a send: a status, or the exception of the plain send.
enum class on_closed { status, exception };

[[noreturn, gnu::cold]] void throw_closed() {
  throw closed_channel("weft::chan::send: the channel is closed");
}

// The part that waits, out of the way of the part that does not, and called last by it: see
// sched/switching.hpp for why that matters.
template <direction D, on_closed C = on_closed::status>
WEFT_RETURNS_ELSEWHERE chan_status wait_on(channel* c, void* element, const sender_type* how,
                                      deadline limit) {
  wait_scope scope(D == direction::send ? "chan send" : "chan receive");
  own_handle again;
  for (;;) {
    scope.check_exit();
    wait_node node;
    {
      locked_channel locked(*c);
      const attempt a = D == direction::send ? c->send_locked(element, *how, locked.wakes)
                                             : c->receive_locked(element, locked.wakes);
      if (a == attempt::done) return chan_status::ok;
      if (a == attempt::closed) {
        if (C == on_closed::exception) throw_closed();
        return chan_status::closed;
      }
      if (!limit.is_never() && steady_now() >= limit.at) return chan_status::timeout;
      plain_access(element);
      node.owner = scope.who();
      node.element = element;
      node.sender = how;
      c->link_locked(node, D);
      locked.leave_locked();
    }
    const std::uint32_t won = scope.park(&unlock_channel, c, limit);
    if (won == claim_case) [[likely]] {
      plain_access(element);
      channel::order_after_wake(c);
      if (!node.closed) return chan_status::ok;
      if (C == on_closed::exception) throw_closed();
      return chan_status::closed;
    }
    if (won == claim_retry) {
      if (c->come_back(node, D)) {
        again.hold(c);
        continue;
      }
      return wait_for_nothing(limit, chan_status::timeout, "a channel that is gone");
    }
    c->leave_after(node, D, won);
    return chan_status::timeout;
  }
}

}  // namespace

channel* make_channel(const element_type& type, std::size_t capacity) {
  return channel::make(type, capacity);
}
void retain_channel(channel* c) noexcept { c->retain(); }
void release_channel(channel* c) noexcept { c->release(); }

// One locking, one switch at most, and no more frames than must be.
template <direction D>
WEFT_SWITCHING channel::meeting channel::try_meet(worker* w, void* element,
                                                  const sender_type* how) {
  queue& partners = D == direction::send ? receivers_ : senders_;
  sender_.lock.lock();
  if (partners.nodes.first == nullptr) {
    if (!closed_.load(std::memory_order_relaxed) && !w->core->is_ending()) [[likely]] {
      return meeting::must_wait;
    }
    sender_.lock.unlock();
    return meeting::general;
  }
  wait_node* n = partners.nodes.first;
  waiter* owner = n->owner;
  if (n->shares_owner || owner->kind != waiter_kind::goroutine ||
      !claim_from(w, owner, claim_case)) [[unlikely]] {
    sender_.lock.unlock();
    return meeting::general;
  }
  partners.pop_front();
  try {
    if (D == direction::send) {
      how->give(n->element, element);
    } else {
      n->sender->give(element, n->element);
    }
  } catch (...) {
    tell_to_retry(partners, *n);
    sender_.lock.unlock();
    wake(owner);
    throw;
  }
  sender_.lock.unlock();
  goroutine* partner = goroutine_of(owner);
  if (partner->core.load(std::memory_order_relaxed) != w->core) [[unlikely]] {
    wake(owner);
    return meeting::done;
  }
  order_before(owner);
  tsan_blind blind;
  w->core->ready_next(w, partner);
  return meeting::done;
}

template <direction D, on_closed C>
WEFT_RETURNS_ELSEWHERE chan_status wait_to_meet(channel* c, worker* w, goroutine* self,
                                                void* element, const sender_type* how) {
  wait_node node;
  node.owner = &self->wait;
  node.element = element;
  node.sender = how;
  c->link_for_meeting<D>(node);
  note_wait(w, self, D == direction::send ? "chan send" : "chan receive");
  self->wait.partners_exclude_each_other = true;
  switch_away(w, self, &commit_unlock, &c->lock_of_meetings());
  order_after(&self->wait);
  const std::uint32_t won = self->wait.word.close();
  if (won == claim_case) [[likely]] {
    // The channel may be gone by now.
    channel::order_after_wake(c);
    if (!node.closed) return chan_status::ok;
    if (C == on_closed::exception) throw_closed();
    return chan_status::closed;
  }
  if (won != claim_retry) c->leave_after(node, D, won);  // throws
  if (!c->come_back(node, D)) {
    return wait_for_nothing(deadline::never(), chan_status::timeout, "a channel that is gone");
  }
  own_handle again;
  again.hold(c);
  return wait_on<D, C>(c, element, how, deadline::never());
}

// A wait that no partner has ended: takes back the node, and throws what there is to throw.
[[gnu::noinline, gnu::cold]] void channel::leave_after(wait_node& node, direction d,
                                                       std::uint32_t won) {
  if (get_place(node) != wait_node::place::detached) {
    lock();
    unlink_locked(node, d);
    unlock_and_leave();
  }
  wait_scope::rethrow(won);
}

// An operation that may wait on an unbuffered channel looks and registers under one locking.
chan_status send_to(channel* c, void* value, const sender_type& how, deadline limit) {
  if (c == nullptr) return wait_for_nothing(limit, chan_status::full, "send on the nil channel");
  if (c->capacity() != 0 || limit.is_none()) {
    const attempt a = c->try_send(value, how);
    if (a == attempt::done) return chan_status::ok;
    if (a == attempt::closed) return chan_status::closed;
    if (limit.is_none()) return chan_status::full;
  }
  return wait_on<direction::send>(c, value, &how, limit);
}

void send_or_throw(channel* c, void* value, const sender_type& how) {
  if (c != nullptr && c->capacity() == 0) {
    worker* w = current_worker();
    if (w != nullptr && w->current != nullptr) {
      const channel::meeting m = c->try_meet<direction::send>(w, value, &how);
      if (m == channel::meeting::done) return;
      if (m == channel::meeting::must_wait) {
        wait_to_meet<direction::send, on_closed::exception>(c, w, w->current, value, &how);
        return;
      }
    }
  }
  if (c == nullptr) {
    wait_for_nothing(deadline::never(), chan_status::full, "send on the nil channel");
    return;
  }
  if (c->capacity() != 0) {
    const attempt a = c->try_send(value, how);
    if (a == attempt::done) return;
    if (a == attempt::closed) throw_closed();
  }
  wait_on<direction::send, on_closed::exception>(c, value, &how, deadline::never());
}

chan_status receive_from(channel* c, void* box, deadline limit) {
  if (c != nullptr && c->capacity() == 0 && limit.is_never()) {
    worker* w = current_worker();
    if (w != nullptr && w->current != nullptr) {
      const channel::meeting m = c->try_meet<direction::receive>(w, box, nullptr);
      if (m == channel::meeting::done) return chan_status::ok;
      if (m == channel::meeting::must_wait) {
        return wait_to_meet<direction::receive, on_closed::status>(c, w, w->current, box, nullptr);
      }
    }
  }
  if (c == nullptr) return wait_for_nothing(limit, chan_status::empty, "receive on the nil channel");
  if (c->capacity() != 0 || limit.is_none()) {
    const attempt a = c->try_receive(box);
    if (a == attempt::done) return chan_status::ok;
    if (a == attempt::closed) return chan_status::closed;
    if (limit.is_none()) return chan_status::empty;
  }
  return wait_on<direction::receive>(c, box, nullptr, limit);
}

void close_channel(channel* c) {
  if (c == nullptr) throw nil_channel("weft::chan::close: this is the nil channel");
  c->close();
}

bool is_channel_closed(const channel* c) noexcept { return c != nullptr && c->is_closed(); }
std::size_t channel_size(const channel* c) noexcept { return c != nullptr ? c->size() : 0; }
std::size_t channel_capacity(const channel* c) noexcept { return c != nullptr ? c->capacity() : 0; }

}  // namespace weft::detail
