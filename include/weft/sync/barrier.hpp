// A meeting point, again and again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <type_traits>
#include <utility>

#include <weft/detail/wait_queue.hpp>

namespace weft {
namespace detail {

struct no_completion {
  void operator()() const noexcept {}
};

class barrier_core {
 public:
  explicit barrier_core(std::ptrdiff_t expected);
  barrier_core(const barrier_core&) = delete;
  barrier_core& operator=(const barrier_core&) = delete;

  // Gives the phase; `last`: the caller is the last of it and has to call complete().
  std::uint64_t arrive(std::ptrdiff_t n, bool drop, bool& last);
  void complete() noexcept;
  void wait(std::uint64_t phase) const;

 private:
  mutable locked_word word_{0};  // bit 0: the lock; from bit 1: the phase
  std::ptrdiff_t expected_;      // all guarded by the lock
  std::ptrdiff_t pending_;
  mutable wait_queue queue_;
};

}  // namespace detail

/// Lets as many as expected meet, phase by phase: std::barrier for goroutines and plain threads,
/// with exceptions where that has preconditions. In each phase the last to arrive runs the
/// completion function, once; only then the others go on and the next phase begins. The completion
/// runs in the goroutine or thread that arrived last and may wait. Should it throw, that leaves the
/// call that ran it, and the phase is complete all the same.
template <class CompletionFunction = detail::no_completion>
class barrier {
  static_assert(std::is_invocable_v<CompletionFunction&>,
                "weft::barrier: the completion function is called without arguments");

 public:
  /// What arrive() gives and wait() takes: the phase. Movable.
  class arrival_token {
   public:
    /// The other must not be used any more.
    arrival_token(arrival_token&&) = default;
    /// The other must not be used any more.
    arrival_token& operator=(arrival_token&&) = default;

   private:
    friend barrier;
    explicit arrival_token(std::uint64_t phase) noexcept : phase_(phase) {}
    std::uint64_t phase_;
  };

  /// The largest number that can be expected.
  static constexpr std::ptrdiff_t max() noexcept { return PTRDIFF_MAX; }

  /// @throws std::invalid_argument if the number is negative.
  explicit barrier(std::ptrdiff_t expected, CompletionFunction completion = CompletionFunction())
      : core_(expected), completion_(std::move(completion)) {}

  /// Arrives n times, without waiting for the others. @throws std::logic_error if n is not
  /// positive or more than are still expected in this phase.
  [[nodiscard]] arrival_token arrive(std::ptrdiff_t n = 1) {
    return arrival_token(arrive_core(n, false));
  }
  /// Waits until the phase of that arrival is complete. @throws goroutine_exit when the run ends
  /// meanwhile; the arrival counts all the same.
  void wait(arrival_token&& arrival) const { core_.wait(arrival.phase_); }
  /// Arrives and waits for the others.
  void arrive_and_wait() { core_.wait(arrive_core(1, false)); }
  /// Arrives, and is not expected from the next phase on. Does not wait for the others.
  void arrive_and_drop() { arrive_core(1, true); }

 private:
  std::uint64_t arrive_core(std::ptrdiff_t n, bool drop) {
    bool last = false;
    const std::uint64_t phase = core_.arrive(n, drop, last);
    if (last) {
      struct completing {
        detail::barrier_core& core;
        ~completing() { core.complete(); }
      } at_end{core_};
      std::invoke(completion_);
    }
    return phase;
  }

  detail::barrier_core core_;
  [[no_unique_address]] CompletionFunction completion_;
};

}  // namespace weft
