// Explores the interleavings of a few threads on model atomics, all that the bounds allow.
//
// A scenario makes shared state and 2 to 4 threads, which run as fibres on one real thread. Before
// each operation on a model atomic the explorer may go on with another thread; it runs the scenario
// again and again, depth first over these choices, until none is left (a stateless search with a
// bound on preemptions, after CHESS: Musuvathi and Qadeer, PLDI 2007).
//
// Memory is sequentially consistent with store buffers, as on x86-64 (TSO): a plain store may stay
// in its thread's buffer while the thread goes on, up to `delayed_stores` times an execution; locked
// instructions and fences empty the buffer, and heavy_barrier() empties everybody's, as
// membarrier(2) does. So a missing fence shows. What only weaker machines do is not seen.
//
// Memory orders count as well: a read of plain data that is said to the explorer (plain_access) must
// come after the last access by another thread in the happens-before order that the loads, stores,
// fences and barriers of this execution make with the orders they name (vector clocks).
//
// A loop that waits must call spin() (the models of pause and backoff do): its thread then goes on
// when something was written. Time stands still until a thread that reads the clock is let to see
// it pass, or nobody can go on otherwise. Nobody able to go on at all is a failure.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <type_traits>
#include <vector>

namespace weft_model {

struct limits {
  unsigned preemptions = 2;       // switches away from a thread that could go on
  unsigned delayed_stores = 1;    // stores that wait in a buffer
  unsigned timeouts = 1;          // waits that end early, clocks that jump
  std::uint64_t executions = 5'000'000;
  unsigned steps = 5'000;         // of one execution, against endless ones
};

struct outcome {
  bool complete = false;          // every interleaving within the bounds was run
  std::uint64_t executions = 0;
  std::string failure{};          // empty: none
  std::string trace{};            // the steps that led to it
};

class scenario {
 public:
  void thread(std::function<void()> body) { threads_.push_back(std::move(body)); }
  // After the threads, in a quiet world.
  void at_end(std::function<void()> check) { end_ = std::move(check); }

 private:
  friend class engine;
  std::vector<std::function<void()>> threads_;
  std::function<void()> end_;
};

// Runs `make` before each execution: it creates fresh state, which the bodies share.
outcome explore(const limits&, const std::function<void(scenario&)>& make);

// Ends the execution as a failure unless the condition holds.
void require(bool condition, const char* what);

// What the model atomics and the models of system calls do.
void before_operation(const char* what, const void* address);
std::uint64_t load_word(const std::uint64_t* address, std::memory_order);
void store_word(std::uint64_t* address, std::uint64_t value, std::memory_order);
// A locked instruction: empties the buffer, then reads; and then perhaps writes.
std::uint64_t begin_update(std::uint64_t* address, std::memory_order);
void end_update(std::uint64_t* address, std::uint64_t value, std::memory_order);
void plain_access(const void* address);
void spin();
unsigned choose(unsigned n);  // explored like any other choice
std::int64_t now();
void heavy_barrier();
void full_fence();
void block_while(const std::uint64_t* address, std::uint64_t expected, bool may_time_out);
void unblock(const void* address, int count);

// std::atomic's interface over a word in the model's memory.
template <class T>
class atomic {
  static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>);

 public:
  constexpr atomic() noexcept : word_(0) {}
  constexpr atomic(T value) noexcept : word_(to_word(value)) {}
  atomic(const atomic&) = delete;
  atomic& operator=(const atomic&) = delete;

  T load(std::memory_order order = std::memory_order_seq_cst) const noexcept {
    before_operation("load", this);
    return from_word(load_word(&word_, order));
  }
  operator T() const noexcept { return load(); }
  void store(T value, std::memory_order order = std::memory_order_seq_cst) noexcept {
    before_operation("store", this);
    store_word(&word_, to_word(value), order);
  }
  T operator=(T value) noexcept {
    store(value);
    return value;
  }
  T exchange(T value, std::memory_order order = std::memory_order_seq_cst) noexcept {
    return update(order, [value](T) { return value; });
  }
  bool compare_exchange_strong(T& expected, T value, std::memory_order order,
                               std::memory_order failed) noexcept {
    before_operation("compare-exchange", this);
    if (const std::uint64_t seen = peek(); seen != to_word(expected)) {
      expected = from_word(begin_update(&word_, failed));
      return false;
    }
    begin_update(&word_, order);
    end_update(&word_, to_word(value), order);
    return true;
  }
  bool compare_exchange_strong(T& expected, T value,
                               std::memory_order order = std::memory_order_seq_cst) noexcept {
    return compare_exchange_strong(expected, value, order,
                                   order == std::memory_order_acq_rel   ? std::memory_order_acquire
                                   : order == std::memory_order_release ? std::memory_order_relaxed
                                                                        : order);
  }
  bool compare_exchange_weak(T& expected, T value, std::memory_order a, std::memory_order b) noexcept {
    return compare_exchange_strong(expected, value, a, b);
  }
  bool compare_exchange_weak(T& expected, T value,
                             std::memory_order order = std::memory_order_seq_cst) noexcept {
    return compare_exchange_strong(expected, value, order);
  }
  T fetch_add(T n, std::memory_order order = std::memory_order_seq_cst) noexcept {
    return update(order, [n](T old) { return static_cast<T>(old + n); });
  }
  T fetch_sub(T n, std::memory_order order = std::memory_order_seq_cst) noexcept {
    return update(order, [n](T old) { return static_cast<T>(old - n); });
  }
  T fetch_or(T n, std::memory_order order = std::memory_order_seq_cst) noexcept {
    return update(order, [n](T old) { return static_cast<T>(old | n); });
  }
  T fetch_and(T n, std::memory_order order = std::memory_order_seq_cst) noexcept {
    return update(order, [n](T old) { return static_cast<T>(old & n); });
  }

  // The models of futex(2): sleeps while the word has this value, until woken or its limit.
  void futex_wait(T value, bool may_time_out = false) { block_while(&word_, to_word(value), may_time_out); }
  static void futex_wake(atomic* word, int count = 1) { unblock(word, count); }

 private:
  static constexpr std::uint64_t to_word(T value) noexcept {
    if constexpr (std::is_pointer_v<T>) {
      return reinterpret_cast<std::uintptr_t>(value);
    } else {
      return static_cast<std::uint64_t>(value);
    }
  }
  static T from_word(std::uint64_t word) noexcept {
    if constexpr (std::is_pointer_v<T>) {
      return reinterpret_cast<T>(static_cast<std::uintptr_t>(word));
    } else {
      return static_cast<T>(word);
    }
  }
  // What the locked instruction will see: the memory, once its own buffer is empty.
  std::uint64_t peek() noexcept { return begin_update(&word_, std::memory_order_relaxed); }
  template <class Change>
  T update(std::memory_order order, Change change) noexcept {
    before_operation("exchange", this);
    const T old = from_word(begin_update(&word_, order));
    end_update(&word_, to_word(change(old)), order);
    return old;
  }
  std::uint64_t word_;
};

}  // namespace weft_model
