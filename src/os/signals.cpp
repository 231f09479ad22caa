// Signals to channels.
//
// The handler does only what a handler may: it puts the number into a ring and passes a futex. One
// thread, started by the first notify_signals and there from then on, hands the numbers to the
// channels. So it works while every worker is busy, and where there is no runtime.
//
// one_consumer: whoever holds `registry` may take from the ring: the thread, and stop_signals, so
//   that what came before it is delivered.
// slot_filled: a handler takes a place (head_) and then fills the slot. Another handler may
//   interrupt it in between, on the same thread; the consumer stops at a slot that is not filled,
//   and is woken once it is.
// A full ring drops, as a full channel does; it holds more than any channel.
// The disposition that was there before comes back with the last channel that asks for a signal,
// unless somebody has put another one there meanwhile.
// Order of locks: registry, then a channel's.
// Proved by: tests/conformance/signals.cpp, tests/death/signal_test.cpp.
#include "os/signals.hpp"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "base/futex.hpp"
#include "base/signal_mask.hpp"
#include "sched/core.hpp"
#include "switch/thread_local.hpp"
#include "weft/os.hpp"

namespace weft {
namespace detail {

namespace {

constexpr int most_signals = 65;
constexpr std::size_t holds = 16;

class signal_ring {
 public:
  // In a handler. False: full.
  bool put(std::uint8_t number) noexcept {
    std::uint32_t at = head_.load(std::memory_order_relaxed);
    do {
      // Acquire pairs with take(): the slot is free.
      if (at - tail_.load(std::memory_order_acquire) >= size) return false;
    } while (!head_.compare_exchange_weak(at, at + 1, std::memory_order_relaxed));
    slots_[at % size].store(number, std::memory_order_release);  // pairs with take()
    return true;
  }
  // By the one consumer. 0: nothing.
  int take() noexcept {
    const std::uint32_t at = tail_.load(std::memory_order_relaxed);
    const int number = slots_[at % size].exchange(0, std::memory_order_acquire);
    if (number != 0) tail_.store(at + 1, std::memory_order_release);  // pairs with put()
    return number;
  }

 private:
  static constexpr std::uint32_t size = 1024;
  std::atomic<std::uint32_t> head_{0};
  std::atomic<std::uint32_t> tail_{0};
  std::array<std::atomic<std::uint8_t>, size> slots_{};
};
static_assert(std::atomic<std::uint32_t>::is_always_lock_free &&
              std::atomic<std::uint8_t>::is_always_lock_free);

struct listener {
  chan<int> channel;
  std::uint64_t wants;  // bit n - 1: signal n
};

struct signal_use {
  unsigned channels = 0;
  struct sigaction before {};
};

constinit signal_ring ring;
std::atomic<std::uint32_t> arrivals{0};
std::atomic<std::size_t> open_channels{0};

constinit std::mutex registry;  // guards the following
constinit std::vector<listener>* listeners = nullptr;  // not destroyed at exit
signal_use uses[most_signals];

constexpr std::uint64_t bit_of(int number) noexcept { return std::uint64_t{1} << (number - 1); }

void on_signal(int number) {
  int* error = thread_errno();
  const int before = *error;
  if (ring.put(static_cast<std::uint8_t>(number))) {
    arrivals.fetch_add(1, std::memory_order_release);  // pairs with deliver_for_ever
    futex_wake(&arrivals);
  }
  *error = before;
}

// Nobody asks for it any more, but somebody who kept our handler has put it back: what would have
// happened without us happens now.
void give_back_locked(int number) noexcept {
  struct sigaction now {};
  sigaction(number, nullptr, &now);
  if (now.sa_handler == &on_signal) sigaction(number, &uses[number].before, nullptr);
  kill(getpid(), number);
}

void deliver_locked() noexcept {
  while (const int number = ring.take()) {
    bool wanted = false;
    for (const listener& l : *listeners) {
      if ((l.wants & bit_of(number)) == 0) continue;
      l.channel.try_send(number);
      wanted = true;
    }
    if (!wanted) give_back_locked(number);
  }
}

void deliver_for_ever() noexcept {
  count_own_thread();
  for (;;) {
    const std::uint32_t seen = arrivals.load(std::memory_order_acquire);
    {
      std::lock_guard guard(registry);
      deliver_locked();
    }
    futex_wait(arrivals, seen);
  }
}

void start_deliverer_locked() {
  if (listeners != nullptr) return;
  listeners = new std::vector<listener>;
  // It takes no signals: so those of this process go to the threads that they went to before.
  const signals_blocked for_it;
  try {
    std::thread(&deliver_for_ever).detach();
  } catch (const std::system_error& e) {
    delete std::exchange(listeners, nullptr);
    throw std::system_error(e.code(), "weft::notify_signals: no thread to deliver them");
  } catch (...) {
    delete std::exchange(listeners, nullptr);
    throw;
  }
}

[[noreturn]] void refuse(int number) {
  throw std::system_error(EINVAL, std::generic_category(),
                          "weft::notify_signals: signal " + std::to_string(number));
}

void begin_use_locked(int number) {
  signal_use& use = uses[number];
  if (use.channels == 0) {
    struct sigaction ours {};
    ours.sa_handler = &on_signal;
    ours.sa_flags = SA_RESTART | SA_ONSTACK;
    sigfillset(&ours.sa_mask);
    if (sigaction(number, &ours, &use.before) != 0) refuse(number);
  }
  ++use.channels;
}

void end_use_locked(int number) noexcept {
  signal_use& use = uses[number];
  if (--use.channels != 0) return;
  struct sigaction now {};
  sigaction(number, nullptr, &now);
  if (now.sa_handler == &on_signal) sigaction(number, &use.before, nullptr);
}

template <class F>
void for_each_signal(std::uint64_t set, F f) {
  for (; set != 0; set &= set - 1) f(std::countr_zero(set) + 1);
}

std::uint64_t set_of(std::initializer_list<int> numbers) {
  std::uint64_t set = 0;
  for (const int number : numbers) {
    const bool is_fault =
        number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL;
    if (number <= 0 || number >= most_signals || is_fault) refuse(number);
    set |= bit_of(number);
  }
  return set;
}

}  // namespace

bool any_signal_channel() noexcept { return open_channels.load() != 0; }

}  // namespace detail

using namespace detail;

recv_chan<int> notify_signals(std::initializer_list<int> numbers) {
  const std::uint64_t wants = set_of(numbers);
  chan<int> channel(holds);
  std::lock_guard guard(registry);
  start_deliverer_locked();
  listeners->push_back({channel, wants});
  open_channels.fetch_add(1);
  std::uint64_t begun = 0;
  try {
    for_each_signal(wants, [&](int number) {
      begin_use_locked(number);
      begun |= bit_of(number);
    });
  } catch (...) {
    for_each_signal(begun, &end_use_locked);
    listeners->pop_back();
    open_channels.fetch_sub(1);
    throw;
  }
  return channel;
}

void stop_signals(const recv_chan<int>& channel) {
  std::lock_guard guard(registry);
  if (listeners == nullptr) return;
  const auto found = std::find_if(listeners->begin(), listeners->end(), [&](const listener& l) {
    return recv_chan<int>(l.channel) == channel;
  });
  if (found == listeners->end()) return;
  for_each_signal(found->wants, &end_use_locked);
  deliver_locked();  // what came before
  const chan<int> closing = found->channel;
  listeners->erase(found);
  closing.close();
  open_channels.fetch_sub(1);
}

}  // namespace weft
