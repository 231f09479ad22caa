// Explores the interleavings of a few threads on model atomics, all that the bounds allow.
//
// A scenario makes shared state and some threads, which run as fibres on one real thread. Before
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
// Lifetimes count, too: who touches an atomic after its destructor, or memory after its delete
// (nothing is used twice within an execution), has failed.
//
// A loop that waits must call spin() (the models of pause and backoff do): its thread then goes on
// when something that it looked at was written. Time stands still until a thread that reads the
// clock is let to see it pass, or nobody can go on otherwise. Nobody able to go on at all is a
// failure, unless all who are left are `resident`: threads that may be found waiting at the end.
//
// Two things make it fast, and neither leaves anything out. Only operations on words that several
// threads use and one of them writes are places for a switch (found out on the way; when another
// such word is found the search begins anew). And an execution is cut short where it comes to a
// state that was met before by another order of independent operations, with the same bounds left
// (a hash of the partial order of all operations so far).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft_model {

constexpr unsigned most_threads = 6;
constexpr std::int64_t hour = 3'600'000'000'000;  // in nanoseconds: each time-out takes one

struct limits {
  unsigned preemptions = 2;       // switches away from a thread that could go on
  unsigned delayed_stores = 1;    // stores that wait in a buffer
  unsigned timeouts = 1;          // waits that end early, clocks that jump
  // Whether waits of resident threads end at their limits once nobody can go on otherwise: then
  // what only a time-out mends is not seen. So often an execution.
  unsigned timeouts_at_rest = 0;
  bool reduce = true;             // false: every operation is a place for a switch, nothing is cut short
  std::uint64_t executions = 5'000'000;
  unsigned steps = 20'000;        // of one execution, against endless ones
};

struct outcome {
  bool complete = false;          // every interleaving within the bounds was run
  std::uint64_t executions = 0;   // all that were begun
  std::uint64_t cut_short = 0;    // of these: at a state that was known
  std::uint64_t shared_words = 0; // words where a switch was considered
  std::string failure{};          // empty: none
  std::string trace{};            // the steps that led to it
};

// Made anew for each execution. Nothing in it is ever destroyed.
class scenario {
 public:
  void thread(std::function<void()> body);
  void resident(std::function<void()> body);
  // After the threads, in a quiet world.
  void at_end(std::function<void()> check);
};

// Runs `make` before each execution: it creates fresh state, which the bodies share.
outcome explore(const limits&, const std::function<void(scenario&)>& make);

// Ends the execution as a failure unless the condition holds.
void require(bool condition, const char* what);

// What the model atomics and the models of system calls do.
void before_operation(const char* what, const void* address, bool empties_buffer = false);
std::uint64_t load_word(const std::uint64_t* address, std::memory_order);
void store_word(std::uint64_t* address, std::uint64_t value, std::memory_order);
// Locked instructions. The first empties the buffer and shows what is there.
std::uint64_t peek_word(const std::uint64_t* address);
void read_locked(const std::uint64_t* address, std::memory_order);
void write_locked(std::uint64_t* address, std::uint64_t value, std::memory_order);
void begin_life(const void* address);
void end_life(const void* address);
void plain_access(const void* address);
void spin();
unsigned choose(unsigned n);  // explored like any other choice
std::int64_t now();
void heavy_barrier();
void full_fence();
// Gives whether it was woken (or need not sleep), not timed out.
bool block_while(const std::uint64_t* address, std::uint64_t expected, bool may_time_out);
void unblock(const void* address, int count);
// The number of the running thread of the model; most_threads outside of them all.
unsigned thread_number();
// For traces.
void name(const void* address, std::size_t size, const char* what);

// std::atomic's interface over a word in the model's memory.
template <class T>
class atomic {
  static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>);

 public:
  constexpr atomic() noexcept : atomic(T{}) {}
  constexpr atomic(T value) noexcept : word_(to_word(value)) {
    if (!std::is_constant_evaluated()) begin_life(this);
  }
  constexpr ~atomic() {
    if (!std::is_constant_evaluated()) end_life(this);
  }
  atomic(const atomic&) = delete;
  atomic& operator=(const atomic&) = delete;

  T load(std::memory_order order = std::memory_order_seq_cst) const noexcept {
    before_operation("load", this);
    return from_word(load_word(&word_, order));
  }
  operator T() const noexcept { return load(); }
  void store(T value, std::memory_order order = std::memory_order_seq_cst) noexcept {
    before_operation("store", this, order == std::memory_order_seq_cst);
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
    before_operation("compare-exchange", this, true);
    if (const std::uint64_t seen = peek_word(&word_); seen != to_word(expected)) {
      read_locked(&word_, failed);
      expected = from_word(seen);
      return false;
    }
    write_locked(&word_, to_word(value), order);
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
  T fetch_add(auto n, std::memory_order order = std::memory_order_seq_cst) noexcept {
    return update(order, [n](T old) { return static_cast<T>(old + static_cast<T>(n)); });
  }
  T fetch_sub(auto n, std::memory_order order = std::memory_order_seq_cst) noexcept {
    return update(order, [n](T old) { return static_cast<T>(old - static_cast<T>(n)); });
  }
  T fetch_or(T n, std::memory_order order = std::memory_order_seq_cst) noexcept {
    return update(order, [n](T old) { return static_cast<T>(old | n); });
  }
  T fetch_and(T n, std::memory_order order = std::memory_order_seq_cst) noexcept {
    return update(order, [n](T old) { return static_cast<T>(old & n); });
  }
  T operator++() noexcept { return static_cast<T>(fetch_add(1) + 1); }

  // The models of futex(2): sleeps while the word has this value, until woken or its limit.
  // False: its limit came first.
  bool futex_wait(T value, bool may_time_out = false) {
    return block_while(&word_, to_word(value), may_time_out);
  }
  static void futex_wake(atomic* word, int count = 1) { unblock(word, count); }

 private:
  static constexpr std::uint64_t to_word(T value) noexcept {
    if constexpr (std::is_pointer_v<T>) {
      if (std::is_constant_evaluated()) return 0;  // null: what else could be constant?
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
  template <class Change>
  T update(std::memory_order order, Change change) noexcept {
    before_operation("exchange", this, true);
    const T old = from_word(peek_word(&word_));
    write_locked(&word_, to_word(change(old)), order);
    return old;
  }
  std::uint64_t word_;
};

// std::mutex, for what is seldom locked.
class mutex {
 public:
  void lock() noexcept {
    bool expected = false;
    while (!word_.compare_exchange_strong(expected, true, std::memory_order_acquire)) {
      expected = false;
      spin();
    }
  }
  void unlock() noexcept { word_.store(false, std::memory_order_release); }

 private:
  atomic<bool> word_{false};
};

// std::thread: another thread of the model, a resident one.
class thread {
 public:
  thread() noexcept = default;
  template <class F, class... A>
  explicit thread(F f, A... a) : number_(start([=] { f(a...); })) {}
  thread(thread&& other) noexcept : number_(std::exchange(other.number_, most_threads)) {}
  thread& operator=(thread&& other) noexcept {
    number_ = std::exchange(other.number_, most_threads);
    return *this;
  }
  bool joinable() const noexcept { return number_ != most_threads; }
  void join();
  void detach() noexcept { number_ = most_threads; }

 private:
  static unsigned start(std::function<void()>);
  unsigned number_ = most_threads;
};

}  // namespace weft_model
