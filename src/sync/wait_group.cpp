// One word holds the count, a bit for «somebody waits» and the lock of the queue. Counting is one
// compare-and-swap. Who brings the count to zero while somebody waits takes the lock in the same
// step; the store that lets it go is the last touch, so the group may be destroyed as soon as the
// last wait has returned: a wait that gives up needs that lock first.
// Proved by: tests/conformance/wait_group_test.cpp, tests/stress/sync_stress.cpp.
#include <limits>
#include <stdexcept>
#include <utility>

#include "park/coroutine.hpp"
#include "weft/runtime.hpp"
#include "weft/sync.hpp"

namespace weft {

using namespace detail;

namespace {

constexpr std::uint64_t queue_lock = 1;
constexpr std::uint64_t waiters = 2;
constexpr std::uint64_t one = 4;

void unlink(wait_node*& first, wait_node*& last, wait_node* n) noexcept {
  node_list list{first, last};
  list.remove(n);
  first = list.first;
  last = list.last;
}

}  // namespace

void wait_group::change(std::ptrdiff_t n) {
  std::uint64_t word = word_.load(std::memory_order_relaxed);
  for (backoff b;;) {
    const auto count = static_cast<std::int64_t>(word / one);
    if (n < 0 && count < -n) {
      throw std::logic_error("weft::wait_group: the count would become negative");
    }
    const std::uint64_t next = word + static_cast<std::uint64_t>(n) * one;
    if (next / one != 0 || (word & waiters) == 0) {
      // Release: what was done before is seen by who finds the count at zero.
      if (word_.compare_exchange_weak(word, next, std::memory_order_acq_rel,
                                      std::memory_order_relaxed)) {
        return;
      }
      continue;
    }
    if ((word & queue_lock) != 0) {
      b.wait();
      word = word_.load(std::memory_order_relaxed);
      continue;
    }
    if (!word_.compare_exchange_weak(word, next | queue_lock, std::memory_order_acq_rel,
                                     std::memory_order_relaxed)) {
      continue;
    }
    break;
  }
  // Zero, with the lock: everybody who waits may go.
  wake_list wakes;
  for (wait_node* node = first_; node != nullptr;) {
    wait_node* next = node->next;
    node->where = wait_node::place::outside;
    if (node->owner->word.claim(claim_case)) wakes.add(node->owner);
    node = next;
  }
  first_ = last_ = nullptr;
  // Somebody may have counted up meanwhile.
  std::uint64_t now = word_.load(std::memory_order_relaxed);
  while (!word_.compare_exchange_weak(now, now & ~(queue_lock | waiters), std::memory_order_release,
                                      std::memory_order_relaxed)) {
  }
  wakes.wake_all();
}

void wait_group::begin_started() {
  started_any_.store(true, std::memory_order_relaxed);
  change(1);
}

void wait_group::finish_started() noexcept { change(-1); }

std::uint64_t wait_group::lock_queue() noexcept {
  std::uint64_t seen = word_.load(std::memory_order_relaxed);
  for (backoff b;;) {
    if ((seen & queue_lock) != 0) {
      b.wait();
      seen = word_.load(std::memory_order_relaxed);
    } else if (word_.compare_exchange_weak(seen, seen | queue_lock, std::memory_order_acquire,
                                           std::memory_order_relaxed)) {
      return seen | queue_lock;
    }
  }
}

void wait_group::unlock_queue(void* argument) {
  auto* self = static_cast<wait_group*>(argument);
  const std::uint64_t any = self->first_ != nullptr ? waiters : 0;
  std::uint64_t seen = self->word_.load(std::memory_order_relaxed);
  while (!self->word_.compare_exchange_weak(seen, (seen & ~(queue_lock | waiters)) | any,
                                            std::memory_order_acq_rel,
                                            std::memory_order_relaxed)) {
  }
}

// True: the queue is locked, to add a node. False: the count is zero.
bool wait_group::lock_to_wait() noexcept {
  std::uint64_t word = lock_queue();
  // The bit goes up together with the look at the count: who counts to zero later sees it.
  for (;;) {
    if (word / one == 0) {
      unlock_queue(this);
      return false;
    }
    if (word_.compare_exchange_weak(word, word | waiters, std::memory_order_acq_rel,
                                    std::memory_order_acquire)) {
      return true;
    }
  }
}

void wait_group::link_locked(wait_node& node) noexcept {
  node_list list{first_, last_};
  list.push_back(&node);
  first_ = list.first;
  last_ = list.last;
}

void wait_group::take_out(wait_node& node) noexcept {
  lock_queue();
  if (node.where == wait_node::place::linked) unlink(first_, last_, &node);
  unlock_queue(this);
}

bool wait_group::is_zero() const noexcept {
  const std::uint64_t word = word_.load(std::memory_order_acquire);  // pairs with change()
  return word / one == 0 && (word & queue_lock) == 0;
}

bool wait_group::wait_until_zero(deadline limit) {
  if (is_zero()) return true;
  wait_scope scope("wait group");
  scope.check_exit();
  wait_node node;
  node.owner = scope.who();
  if (!lock_to_wait()) return true;
  if (!limit.is_never() && steady_now() >= limit.at) {
    unlock_queue(this);
    return false;
  }
  link_locked(node);
  const std::uint32_t won = scope.park(&unlock_queue, this, limit);
  if (won == claim_case) return true;
  take_out(node);
  wait_scope::rethrow(won);
  return false;
}

// The same in a coroutine.
struct wait_group::async_functions {
  static bool finish(suspension& s, std::uint32_t won) noexcept {
    if (won == claim_case) return true;  // the group may be gone
    withdraw(s);
    state_of<async_group_state>(s).outcome = async_outcome::exit;
    return true;
  }
  static void withdraw(suspension& s) noexcept {
    auto& state = state_of<async_group_state>(s);
    state.group->take_out(state.node);
  }
  static constexpr suspension_type type{"wait group", &finish, &withdraw};
};

bool wait_group::async_suspend(async_group_state& state, std::coroutine_handle<> who) noexcept {
  return start_async(state, [&] {
    coroutine_wait wait(state, who, async_functions::type);
    if (wait.must_exit()) {
      state.outcome = async_outcome::exit;
      return false;
    }
    wait_group* group = state.group;
    state.node.owner = wait.who();
    if (!group->lock_to_wait()) return false;
    group->link_locked(state.node);
    wait.commit(&unlock_queue, group, nullptr);
    return true;
  });
}

wait_group::~wait_group() {
  if (!started_any_.load(std::memory_order_relaxed)) return;
  exit_guard guard;
  wait_until_zero(deadline::never());
}

}  // namespace weft
