// One attempt to get into a host: where it stands, how long it may still wait, who may end it.
#pragma once

#include <atomic>
#include <chrono>
#include <system_error>
#include <utility>
#include <weft/weft.hpp>

#include "connect/fair_clock.hpp"
#include "report/result.hpp"

namespace ssh_runner {

// Bounds the handshakes under way: they compute, and a host's time shall not run out while others
// keep the CPU from it.
// A buffered channel as a semaphore, as in Go: to take a place is to send, to give it back is to
// receive; select can wait for it beside other things.
using handshake_places = weft::chan<void>;

// For one goroutine; only the place where it stands may be looked at by others.
class attempt {
 public:
  // `limit` is for waiting for the other side, not for the CPU, nor for a turn: `clock` tells. `ctx`
  // ends it early. `stands_at` is kept up to date.
  attempt(std::chrono::nanoseconds limit, fair_clock& clock, weft::context ctx,
          std::atomic<phase>& stands_at)
      : clock_(clock),
        using_(clock),
        limit_(limit),
        left_(limit),
        ctx_(std::move(ctx)),
        at_(stands_at) {}
  attempt(const attempt&) = delete;
  attempt& operator=(const attempt&) = delete;
  ~attempt() { leave_handshake(); }

  void enter(phase p) { at_.store(p, std::memory_order_relaxed); }  // for display only
  phase where() const { return at_.load(std::memory_order_relaxed); }
  const weft::context& ctx() const { return ctx_; }
  fair_clock& clock() const { return clock_; }
  std::chrono::nanoseconds left() const { return left_; }

  // Waits for one of the cases, which must be about the other side. False: none was ready yet, and it is
  // to be asked again. Throws failure when the time is over, or when the run ends.
  template <class... Cases>
  bool wait(Cases&&... cases) {
    // Also where the other side goes on answering: what is ready counts more than what is late below.
    if (left_.count() <= 0) fail_late();
    const auto begin = clock_.now();
    // Who does not answer for long shall not hold others up.
    const bool holding = static_cast<bool>(held_);
    const auto patience = holding ? std::min(left_, longest_hold) : left_;
    bool late = false;
    bool ended = false;
    weft::select(std::forward<Cases>(cases)...,
                 weft::on_timeout(std::max(patience, shortest_wait), [&] { late = true; }),
                 weft::on_done(ctx_, [&] { ended = true; }));
    left_ -= clock_.now() - begin;
    if (ended) fail_stopped();
    if (!late) return true;
    if (left_.count() <= 0) fail_late();
    leave_handshake();
    return false;
  }

  // The same for what depends on this machine only: its time does not count.
  template <class... Cases>
  void wait_for_turn(Cases&&... cases) {
    bool ended = false;
    weft::select(std::forward<Cases>(cases)..., weft::on_done(ctx_, [&] { ended = true; }));
    if (ended) fail_stopped();
  }

  // For calls that take a wait_limit: call(limit), whose time-out and cancellation become failures.
  // It gets one of so many shares of the time; at the end of a share that is not the last
  // std::system_error leaves this as it is. If the time was not all the other side's it is called again
  // for the rest.
  template <class F>
  auto limited(F&& call, int shares = 1) {
    const auto end = clock_.now() + left_ / shares;
    for (;;) {
      const charge guard{*this, clock_.now()};
      auto [ctx, cancel] = weft::with_timeout(ctx_, std::max(end - guard.begin, shortest_wait));
      try {
        return call(weft::wait_limit(ctx));
      } catch (const std::system_error& error) {
        if (ctx_.err() != weft::context_error::none) fail_stopped();
        const bool late =
            error.code() == std::errc::timed_out && ctx.err() != weft::context_error::none;
        if (!late || (clock_.now() >= end && shares > 1)) throw;
        if (clock_.now() >= end) fail_late();
      }
    }
  }

  // From here to leave_handshake() one of the places is held. Waiting for it does not count.
  void enter_handshake(const handshake_places&);
  void leave_handshake();

  [[noreturn]] void fail(const std::string& cause) const {
    throw failure(verdict::not_connected, where(), cause);
  }
  [[noreturn]] void fail_for_good(const std::string& cause) const {
    throw failure(verdict::not_connected, where(), cause).for_good();
  }
  [[noreturn]] void fail_late(const std::string& since = {}) const;
  [[noreturn]] void fail_stopped() const;

 private:
  static constexpr std::chrono::nanoseconds longest_hold = std::chrono::seconds(1);
  static constexpr std::chrono::nanoseconds shortest_wait = std::chrono::milliseconds(1);

  struct charge {
    attempt& of;
    std::chrono::nanoseconds begin;
    ~charge() { of.left_ -= of.clock_.now() - begin; }
  };

  fair_clock& clock_;
  fair_clock::user using_;
  std::chrono::nanoseconds limit_, left_;
  weft::context ctx_;
  std::atomic<phase>& at_;
  handshake_places held_{nullptr};  // the nil channel: none is held
};

}  // namespace ssh_runner
