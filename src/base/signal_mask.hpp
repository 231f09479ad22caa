// Which signals a thread takes.
//
// A thread inherits the mask of the one that starts it. A worker's thread may be started by anybody:
// by a goroutine, by the thread that hands out signals and takes none itself, by a stranger that waits
// for signals with sigwait. All of a runtime's workers are to be alike, and so are the processes that
// they start: they have the mask that was in force where the runtime began.
#pragma once

#include <pthread.h>
#include <signal.h>

namespace weft::detail {

inline sigset_t signal_mask_of_thread() noexcept {
  sigset_t now;
  pthread_sigmask(SIG_SETMASK, nullptr, &now);
  return now;
}

inline void set_signal_mask_of_thread(const sigset_t& mask) noexcept {
  pthread_sigmask(SIG_SETMASK, &mask, nullptr);
}

// While one lives its thread takes no signals, nor does a thread started meanwhile.
class signals_blocked {
 public:
  signals_blocked() noexcept {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~signals_blocked() { set_signal_mask_of_thread(before_); }
  signals_blocked(const signals_blocked&) = delete;
  signals_blocked& operator=(const signals_blocked&) = delete;

 private:
  sigset_t before_;
};

}  // namespace weft::detail
