// Time for others to answer in: it stands still while this machine has none for us.
#pragma once

#include <atomic>
#include <chrono>
#include <weft/weft.hpp>

namespace ssh_runner {

// A goroutine wakes every few milliseconds. When it comes late, so did everybody else who was ready to
// run, and whoever waits for another host may have had its answer long ago: the delay does not count.
// That holds for other processes that have the CPU and for our own handshakes alike. For many goroutines
// at once.
class fair_clock {
 public:
  fair_clock();
  fair_clock(const fair_clock&) = delete;
  fair_clock& operator=(const fair_clock&) = delete;
  ~fair_clock();

  // Since some moment in the past. Only to be asked while somebody uses the clock.
  std::chrono::nanoseconds now() const;

  // As long as one of them lives the clock goes; without any it costs nothing.
  class user {
   public:
    explicit user(fair_clock& of) : of_(of) { of_.begin_use(); }
    user(const user&) = delete;
    user& operator=(const user&) = delete;
    ~user() { of_.end_use(); }

   private:
    fair_clock& of_;
  };

 private:
  void begin_use();
  void end_use();
  void tick();
  std::chrono::nanoseconds overdue(weft::clock::time_point now) const;

  mutable weft::mutex mutex_;
  int users_ = 0;                 // these are guarded by it
  weft::clock::time_point last_;  // when it woke
  std::chrono::nanoseconds not_counted_{};
  weft::chan<void> wanted_{1}, over_;
  weft::join_handle<void> ticking_;
};

// A context that is done when so much time has passed by the clock, which is in use.
class fair_timeout {
 public:
  fair_timeout(fair_clock& clock, std::chrono::nanoseconds limit, const weft::context& parent);
  fair_timeout(const fair_timeout&) = delete;
  fair_timeout& operator=(const fair_timeout&) = delete;
  ~fair_timeout() { cancel(); }

  const weft::context& ctx() const { return ctx_; }
  bool late() const { return late_; }
  void cancel();  // waits for the end of its goroutine

 private:
  weft::context ctx_;
  weft::cancel_function cancel_;
  std::atomic<bool> late_{false};
  weft::wait_group waiting_;
};

}  // namespace ssh_runner
