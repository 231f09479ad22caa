// Select over channels, time-outs and other sources.
//
// First without all the locks: of the cases that look ready a random one is tried under its own
// channel's lock. If none is left and there is a default or a passed time-out, it is taken if two
// looks at all channels agree (one_instant). Otherwise every channel is locked, in the order of
// addresses; all is looked at again; all cases are registered, and the commit lets go.
//
// one_instant: stamps change with every change of readiness, so two equal sets of stamps mean that
//   at the moment between the looks none was ready. The fence before makes what this goroutine did
//   to other channels visible first: without it two that send to a and b and then select on b and
//   a could both find nothing.
// no_self_meeting: a select looks for partners before its own nodes are linked, under one and the
//   same locking.
// frame_stays: the commit's last touch is `committed_`, for which the woken select waits before it
//   does anything with its cases.
// Proved by: tests/conformance/select_*.cpp, tests/stress/select_*.cpp.
#include "weft/select.hpp"

#include <new>
#include <span>
#include <stdexcept>

#include "base/futex.hpp"
#include "chan/channel.hpp"
#include "park/coroutine.hpp"
#include "sched/current.hpp"

namespace weft {
namespace detail {

namespace {

direction direction_of(const select_case_core& c) noexcept {
  return c.kind == case_kind::send ? direction::send : direction::receive;
}

bool is_on_channel(const select_case_core& c) noexcept {
  return c.on != nullptr && (c.kind == case_kind::send || c.kind == case_kind::receive);
}

constexpr std::size_t most_looks = 16;

// Parts that the goroutine's select and the coroutine's share. The former is to be as fast as if it
// were alone; without this select_2 takes 2.4 % more instructions.
#define WEFT_IN_BOTH [[gnu::always_inline]] inline

class selection {
 public:
  selection(select_case_core* const* cases, std::size_t count)
      : cases_(cases), count_(static_cast<std::uint32_t>(count)) {
    for (std::uint32_t i = 0; i < count_; ++i) {
      select_case_core& c = *cases_[i];
      c.position = i;
      c.lost_by_close = false;
      set_place(c.node, wait_node::place::outside);
      if (c.kind == case_kind::otherwise) {
        otherwise_ = static_cast<std::int64_t>(i);
      } else if (c.kind == case_kind::timeout) {
        // The earliest; never is the last resort.
        if (timeout_ < 0 || c.limit.at < limit_.at) {
          timeout_ = static_cast<std::int64_t>(i);
          limit_ = c.limit;
        }
      } else if (c.kind == case_kind::source) {
        has_sources_ = true;
        c.source->prepare(c);  // in the commit nothing may be started
      }
    }
  }

  ~selection() { drop_handles(); }
  selection(const selection&) = delete;
  selection& operator=(const selection&) = delete;

  WEFT_IN_BOTH std::size_t run() {
    for (;;) {
      if (try_ready()) return chosen_;
      const bool passed = has_passed();
      if (passed && none_was_ready()) return fallback();
      if (wait(passed)) return chosen_;
      if (took_fallback_) return fallback();
    }
  }

  // The same for a coroutine, in parts. True: a case is chosen.
  bool run_without_waiting() {
    if (try_ready()) return true;
    if (!has_passed() || !none_was_ready()) return false;
    chosen_ = fallback();
    return true;
  }
  // True: suspended, and nothing of the coroutine may be touched. What may throw is thrown with all
  // locks let go.
  bool suspend(coroutine_wait& wait, async_select_state& state, timer_node& timer) {
    const bool passed = has_passed();
    if (!passed && wait.must_exit()) {
      state.outcome = async_outcome::exit;
      return false;
    }
    switch (look_and_register(wait.who(), passed)) {
      case found::ready: return false;
      case found::fallback: chosen_ = fallback(); return false;
      case found::nothing: break;
    }
    timer.at = limit_.at;
    timer.sleeper = wait.who();
    wait.commit(&selection::commit, this, limit_.is_never() ? nullptr : &timer);
    return true;
  }
  // The word is claimed: unregisters. False: look again.
  bool resume(std::uint32_t won, async_select_state& state, timer_node& timer) noexcept {
    leave(timer, won == claim_retry);
    if (won == claim_retry) return false;
    if (won == claim_exit) {
      state.outcome = async_outcome::exit;
    } else {
      note_winner(won);
    }
    return true;
  }
  void leave(timer_node& timer, bool looks_again) noexcept {
    {
      tsan_blind blind;
      timer_wheel::remove(timer);
    }
    unlink_all(looks_again);
  }
  // Of one that looked again; nothing waits any more.
  void drop_handles() noexcept {
    for (std::uint32_t i = 0; holds_ && i < count_; ++i) {
      if (is_on_channel(*cases_[i])) cases_[i]->on->release();
    }
    holds_ = false;
  }
  std::size_t chosen() const noexcept { return chosen_; }

 private:
  WEFT_IN_BOTH bool has_passed() const noexcept {
    return otherwise_ >= 0 || (timeout_ >= 0 && steady_now() >= limit_.at);
  }
  WEFT_IN_BOTH std::size_t fallback() const noexcept {
    return static_cast<std::size_t>(otherwise_ >= 0 ? otherwise_ : timeout_);
  }

  // Calls visit(case) for one random ready case after the other, until it returns true.
  template <class Visit>
  bool visit_ready_in_random_order(std::uint32_t ready, Visit visit) {
    while (ready > 0) {
      std::uint32_t skip = ready == 1 ? 0 : random_below(ready);
      for (std::uint32_t i = 0;; ++i) {
        select_case_core& c = *cases_[i];
        if (!c.maybe_ready || skip-- != 0) continue;
        if (visit(c)) {
          chosen_ = i;
          return true;
        }
        c.maybe_ready = false;
        --ready;
        break;
      }
    }
    return false;
  }

  std::uint32_t peek() {
    std::uint32_t ready = 0;
    for (std::uint32_t i = 0; i < count_; ++i) {
      select_case_core& c = *cases_[i];
      if (c.kind == case_kind::source) {
        c.maybe_ready = c.source->is_ready(c);
      } else {
        c.maybe_ready = is_on_channel(c) && c.on->may_be_ready(direction_of(c));
      }
      ready += c.maybe_ready ? 1 : 0;
    }
    return ready;
  }

  static bool has_gone_on(select_case_core& c, attempt a) noexcept {
    if (a == attempt::closed && c.kind == case_kind::send) c.lost_by_close = true;
    return a != attempt::would_wait;
  }

  WEFT_IN_BOTH bool try_ready() {
    return visit_ready_in_random_order(peek(), [](select_case_core& c) {
      if (c.kind == case_kind::source) return true;
      return has_gone_on(c, c.kind == case_kind::send ? c.on->try_send(c.node.element, *c.node.sender)
                                                      : c.on->try_receive(c.node.element));
    });
  }

  // See one_instant. False: not sure.
  bool none_was_ready() const noexcept {
    channel_look looks[most_looks];
    std::size_t n = 0;
    for (std::uint32_t i = 0; i < count_; ++i) {
      const select_case_core& c = *cases_[i];
      if (!is_on_channel(c)) continue;
      if (n == most_looks) return false;
      looks[n++] = {c.on, c.kind == case_kind::send};
    }
    return nothing_is_ready(looks, n);
  }

  // ---- With every lock

  // Lists the channels of the cases, each once, by address. A detached case's channel is gone.
  WEFT_IN_BOTH void list_channels() noexcept {
    select_case_core* all = nullptr;
    bool ascending = true;  // as channels mostly are that were made in the order of the cases
    for (std::uint32_t i = count_; i-- > 0;) {
      select_case_core& c = *cases_[i];
      if (!is_on_channel(c) || get_place(c.node) == wait_node::place::detached) continue;
      ascending = ascending && (all == nullptr || channel::comes_before(c.on, all->on));
      c.next_to_lock = all;
      all = &c;
    }
    locks_ = ascending ? all : drop_duplicates(sort(all));
  }

  // The same after a wait: what was listed before, but for the channels that are gone.
  WEFT_IN_BOTH void list_channels_again() noexcept {
    if (has_duplicates_) return list_channels();
    for (select_case_core** at = &locks_; *at != nullptr;) {
      if (get_place((*at)->node) == wait_node::place::detached) {
        *at = (*at)->next_to_lock;
      } else {
        at = &(*at)->next_to_lock;
      }
    }
  }

  WEFT_IN_BOTH static select_case_core* sort(select_case_core* list) noexcept {
    if (list == nullptr || list->next_to_lock == nullptr) return list;
    if (list->next_to_lock->next_to_lock == nullptr) {  // two: most selects, without a call
      select_case_core* last = list->next_to_lock;
      if (!channel::comes_before(last->on, list->on)) return list;
      last->next_to_lock = list;
      list->next_to_lock = nullptr;
      return last;
    }
    return merge_sort(list);
  }

  [[gnu::noinline]] static select_case_core* merge_sort(select_case_core* list) noexcept {
    select_case_core* slow = list;
    for (select_case_core* fast = list->next_to_lock; fast != nullptr && fast->next_to_lock != nullptr;
         fast = fast->next_to_lock->next_to_lock) {
      slow = slow->next_to_lock;
    }
    select_case_core* second = slow->next_to_lock;
    slow->next_to_lock = nullptr;
    select_case_core* a = sort(list);
    select_case_core* b = sort(second);
    select_case_core* sorted = nullptr;
    select_case_core** end = &sorted;
    while (a != nullptr && b != nullptr) {
      select_case_core*& smaller = channel::comes_before(b->on, a->on) ? b : a;
      *end = smaller;
      end = &smaller->next_to_lock;
      smaller = smaller->next_to_lock;
    }
    *end = a != nullptr ? a : b;
    return sorted;
  }

  select_case_core* drop_duplicates(select_case_core* list) noexcept {
    for (select_case_core* c = list; c != nullptr; c = c->next_to_lock) {
      while (c->next_to_lock != nullptr && c->next_to_lock->on == c->on) {
        c->next_to_lock = c->next_to_lock->next_to_lock;
        has_duplicates_ = true;
      }
    }
    return list;
  }

  void lock_all() noexcept {
    for (select_case_core* c = locks_; c != nullptr; c = c->next_to_lock) c->on->lock();
  }
  void unlock_all() noexcept {
    for (select_case_core* c = locks_; c != nullptr;) {
      select_case_core* next = c->next_to_lock;  // the unlocked may be the last that keeps us
      c->on->unlock();
      c = next;
    }
  }
  void unlock_all_and_leave() noexcept {
    for (select_case_core* c = locks_; c != nullptr; c = c->next_to_lock) {
      c->on->unlock_and_leave();
    }
  }

  // The commit: from here on a source or, once its lock is free, a channel may wake the goroutine.
  static void commit(void* argument) {
    auto* self = static_cast<selection*>(argument);
    for (std::uint32_t i = 0; self->has_sources_ && i < self->count_; ++i) {
      select_case_core& c = *self->cases_[i];
      if (c.kind == case_kind::source) c.source->arm(c);
    }
    self->unlock_all();
    self->committed_.store(true, std::memory_order_release);  // pairs with unlink_all
  }

  // True: a case went on. False: look again, or the fallback was taken.
  WEFT_IN_BOTH bool wait(bool passed) {
    wait_scope scope("select");
    if (!passed) scope.check_exit();
    switch (look_and_register(scope.who(), passed)) {
      case found::ready: return true;
      case found::fallback: took_fallback_ = true; return false;
      case found::nothing: break;
    }
    const std::uint32_t won = scope.park(&selection::commit, this, limit_);
    unlink_all(won == claim_retry);
    if (won == claim_retry) return false;
    wait_scope::rethrow(won);
    note_winner(won);
    return true;
  }

  enum class found { ready, fallback, nothing };

  // With every lock, which are kept if nothing was found: then all cases are registered.
  WEFT_IN_BOTH found look_and_register(waiter* who, bool passed) {
    list_channels();
    lock_all();
    struct unlock {
      selection* self;
      wake_list wakes;
      ~unlock() {
        if (self != nullptr) self->unlock_all();
        wakes.wake_all();
      }
    } locked{this, {}};
    const bool gone_on =
        visit_ready_in_random_order(peek_channels(), [&locked](select_case_core& c) {
          return has_gone_on(c, c.kind == case_kind::send
                                    ? c.on->send_locked(c.node.element, *c.node.sender, locked.wakes)
                                    : c.on->receive_locked(c.node.element, locked.wakes));
        });
    if (gone_on) return found::ready;
    if (passed) return found::fallback;
    link_all(who);
    committed_.store(false, std::memory_order_relaxed);
    locked.self = nullptr;
    return found::nothing;
  }

  // After a wait that a case or the time-out has won.
  void note_winner(std::uint32_t won) noexcept {
    if (won == claim_timeout) {
      chosen_ = static_cast<std::size_t>(timeout_);
      return;
    }
    chosen_ = won - claim_case;
    select_case_core& c = *cases_[chosen_];
    if (c.kind == case_kind::send) c.lost_by_close = c.node.closed;
    if (c.on != nullptr) channel::order_after_wake(c.on);
  }

  std::uint32_t peek_channels() noexcept {
    std::uint32_t ready = 0;
    for (std::uint32_t i = 0; i < count_; ++i) {
      select_case_core& c = *cases_[i];
      c.maybe_ready = is_on_channel(c) && c.on->may_be_ready(direction_of(c));
      ready += c.maybe_ready ? 1 : 0;
    }
    return ready;
  }

  WEFT_IN_BOTH void link_all(waiter* who) noexcept {
    // Of several cases on one channel each must be as likely to come first in its queue.
    constexpr std::uint32_t most = 64;
    std::uint32_t order[most];
    const bool shuffle = has_duplicates_ && count_ <= most;
    if (shuffle) {
      for (std::uint32_t i = 0; i < count_; ++i) {
        const std::uint32_t j = random_below(i + 1);
        order[i] = order[j];
        order[j] = i;
      }
    }
    const bool backwards = has_duplicates_ && !shuffle && random_below(2) != 0;
    for (std::uint32_t k = 0; k < count_; ++k) {
      const std::uint32_t i = shuffle ? order[k] : backwards ? count_ - 1 - k : k;
      select_case_core& c = *cases_[i];
      c.node.owner = who;
      c.node.index = i;
      c.node.shares_owner = true;
      set_place(c.node, wait_node::place::outside);
      if (is_on_channel(c)) c.on->link_locked(c.node, direction_of(c));
    }
  }

  // If it looks again, it keeps the channels from here on, since it stands in no queue meanwhile.
  WEFT_IN_BOTH void unlink_all(bool looks_again) noexcept {
    for (backoff b; !committed_.load(std::memory_order_acquire);) b.wait();
    list_channels_again();
    lock_all();
    for (select_case_core* const* at = cases_; at != cases_ + count_; ++at) {
      select_case_core& c = **at;
      if (!is_on_channel(c) || get_place(c.node) == wait_node::place::detached) continue;
      c.on->unlink_locked(c.node, direction_of(c));
      if (looks_again && !holds_ && !c.on->try_retain()) {
        set_place(c.node, wait_node::place::detached);
      }
    }
    unlock_all_and_leave();
    holds_ |= looks_again;
    for (select_case_core* const* at = cases_; at != cases_ + count_; ++at) {
      // Gone: as the nil channel from now on.
      if (get_place((*at)->node) == wait_node::place::detached) (*at)->on = nullptr;
    }
    for (std::uint32_t i = 0; has_sources_ && i < count_; ++i) {
      select_case_core& c = *cases_[i];
      if (c.kind == case_kind::source) c.source->disarm(c);
    }
  }

  select_case_core* const* cases_;
  std::uint32_t count_;
  std::int64_t otherwise_ = -1;
  std::int64_t timeout_ = -1;
  deadline limit_ = deadline::never();
  bool has_sources_ = false;
  bool holds_ = false;  // a handle of each case's channel
  bool took_fallback_ = false;
  std::size_t chosen_ = 0;
  select_case_core* locks_ = nullptr;
  bool has_duplicates_ = false;
  atomic<bool> committed_{true};
};

// What lies in the memory of an async_select_state, once begun.
struct select_parts {
  selection work;
  timer_node timer;
};
static_assert(sizeof(select_parts) <= sizeof(async_select_state::parts));

select_parts& parts_of(async_select_state& state) noexcept {
  return *std::launder(reinterpret_cast<select_parts*>(state.parts));
}

bool finish_select(suspension& s, std::uint32_t won) noexcept {
  auto& state = state_of<async_select_state>(s);
  select_parts& parts = parts_of(state);
  if (!parts.work.resume(won, state, parts.timer) && start_async(state, [&] {
        if (parts.work.run_without_waiting()) return false;
        coroutine_wait again(state);
        return parts.work.suspend(again, state, parts.timer);
      })) {
    return false;
  }
  parts.work.drop_handles();
  return true;
}

void withdraw_select(suspension& s) noexcept {
  select_parts& parts = parts_of(state_of<async_select_state>(s));
  parts.work.leave(parts.timer, false);
  parts.work.drop_handles();
}

constexpr suspension_type selecting{"select", &finish_select, &withdraw_select};

}  // namespace

// See one_instant.
bool nothing_is_ready(const channel_look* looks, std::size_t count) noexcept {
  channel::stamp first[most_looks];
  std::size_t channels = 0;
  full_fence();
  for (std::size_t i = 0; i < count; ++i) {
    if (looks[i].on == nullptr) continue;
    bool maybe = false;
    first[i] = looks[i].on->look(looks[i].is_send ? direction::send : direction::receive, maybe);
    if (maybe) return false;
    ++channels;
  }
  if (channels < 2) return true;  // one channel: one look is one instant
  for (std::size_t i = 0; i < count; ++i) {
    if (looks[i].on == nullptr) continue;
    bool maybe = false;
    const auto second =
        looks[i].on->look(looks[i].is_send ? direction::send : direction::receive, maybe);
    if (!(second == first[i])) return false;
  }
  return true;
}

std::size_t select_among(select_case_core* const* cases, std::size_t count) {
  return selection(cases, count).run();
}

bool async_select_ready(async_select_state& state, select_case_core* const* cases,
                        std::size_t count) {
  auto* parts = ::new (static_cast<void*>(state.parts)) select_parts{selection(cases, count), {}};
  return parts->work.run_without_waiting();
}

bool async_select_suspend(async_select_state& state, std::coroutine_handle<> who) noexcept {
  return start_async(state, [&] {
    select_parts& parts = parts_of(state);
    coroutine_wait wait(state, who, selecting);
    return parts.work.suspend(wait, state, parts.timer);
  });
}

std::size_t async_select_resume(async_select_state& state) {
  rethrow_async(state);
  return parts_of(state).work.chosen();
}

async_select_cases::async_select_cases(std::span<select_case> cases) : cases_(cases) {}

select_case_core* const* async_select_cases::prepare() {
  if (cases_.size() > on_the_spot) many_ = std::make_unique<select_case_core*[]>(cases_.size());
  select_case_core** cores = many_ != nullptr ? many_.get() : few_;
  for (std::size_t i = 0; i < cases_.size(); ++i) {
    if (cases_[i].self_ == nullptr) throw_select_misuse("async_select: a case was moved from");
    cases_[i].self_->prepare();
    cores[i] = &cases_[i].self_->core;
  }
  return cores;
}

void async_select_cases::finish(std::size_t chosen) { cases_[chosen].self_->finish(); }

void end_wait(waiter* owner, std::uint32_t index) noexcept {
  if (owner->word.claim(claim_case + index)) wake(owner);
}

void throw_closed_send() {
  throw closed_channel("weft::select: the channel of the chosen send is closed");
}
void throw_select_misuse(const char* what) { throw std::logic_error(what); }

}  // namespace detail

std::size_t select(std::span<select_case> cases) {
  constexpr std::size_t on_the_stack = 64;
  detail::select_case_core* few[on_the_stack] = {};
  std::unique_ptr<detail::select_case_core*[]> many;
  detail::select_case_core** cores = few;
  if (cases.size() > on_the_stack) {
    many = std::make_unique<detail::select_case_core*[]>(cases.size());
    cores = many.get();
  }
  for (std::size_t i = 0; i < cases.size(); ++i) {
    if (cases[i].self_ == nullptr) detail::throw_select_misuse("select: a case was moved from");
    cases[i].self_->prepare();
    cores[i] = &cases[i].self_->core;
  }
  const std::size_t chosen = detail::select_among(cores, cases.size());
  cases[chosen].self_->finish();
  return chosen;
}

}  // namespace weft
