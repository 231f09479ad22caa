// Waiting for a process: by its pidfd, which the poller watches like any descriptor. Where the
// kernel has none, by looking again and again, at most 20 ms late.
// Proved by: tests/conformance/command_*.cpp, tests/stress/command_stress.cpp.
#include "os/child_process.hpp"

#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <utility>

#include "base/futex.hpp"
#include "os/group.hpp"
#include "sched/current.hpp"
#include "switch/thread_local.hpp"
#include "weft/context.hpp"
#include "weft/go.hpp"
#include "weft/runtime.hpp"
#include "weft/select.hpp"
#include "weft/time.hpp"

namespace weft::detail {

namespace {

using namespace std::chrono_literals;

constexpr idtype_t by_pidfd = static_cast<idtype_t>(3);  // P_PIDFD, Linux 5.4
constexpr auto longest_look = 20ms;
constexpr auto until_left_behind = 2s;

exit_status status_of(int how, int what) noexcept {
  exit_status s;
  if (how == CLD_EXITED) {
    s.code = what;
  } else {
    s.signal = what;
  }
  return s;
}

// A moment that grows with each use.
class growing_pause {
 public:
  std::chrono::microseconds next() noexcept {
    const auto now = pause_;
    pause_ = std::min<std::chrono::microseconds>(pause_ * 2, longest_look);
    return now;
  }

 private:
  std::chrono::microseconds pause_ = 200us;
};

}  // namespace

void child_process::set(pid_t pid, file_descriptor pidfd) noexcept {
  pid_ = pid;
  pidfd_ = std::move(pidfd);
}

child_process::looked child_process::look() const noexcept {
  siginfo_t info{};
  const auto ask = [&](idtype_t type, id_t id) {
    info.si_pid = 0;
    return waitid(type, id, &info, WEXITED | WNOWAIT | WNOHANG);
  };
  const auto number = static_cast<id_t>(pid_);
  const int fd = pidfd_.get();
  int result = fd >= 0 ? ask(by_pidfd, static_cast<id_t>(fd)) : ask(P_PID, number);
  if (result != 0 && fd >= 0 && last_error() == EINVAL) result = ask(P_PID, number);
  if (result != 0) return looked::taken;
  return info.si_pid != 0 ? looked::ended : looked::runs;
}

// Linux 6.15 keeps the status for the pidfd's owner.
void child_process::set_status_from_pidfd() noexcept {
  struct pidfd_info {  // its first version
    std::uint64_t mask;
    std::uint64_t others[6];
    std::uint32_t last_id;
    std::int32_t exit_code;
  };
  static_assert(sizeof(pidfd_info) == 64);
  constexpr std::uint64_t wants_exit = 1 << 3;
  pidfd_info info{};
  info.mask = wants_exit;
  if (pidfd_.get() < 0 || ioctl(pidfd_.get(), _IOWR(0xFF, 11, pidfd_info), &info) != 0 ||
      (info.mask & wants_exit) == 0) {
    return;
  }
  const bool limit_reached = status_.limit_reached;
  status_ = WIFEXITED(info.exit_code) ? status_of(CLD_EXITED, WEXITSTATUS(info.exit_code))
                                      : status_of(CLD_KILLED, WTERMSIG(info.exit_code));
  status_.limit_reached = limit_reached;
}

bool child_process::try_reap_locked() noexcept {
  if (reaped_) return true;
  if (enders_ != 0) return false;
  const looked l = look();
  if (l == looked::runs) return false;
  siginfo_t info{};
  // It is a zombie of ours, so the number is its own.
  if (l == looked::ended && waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG) == 0 &&
      info.si_pid == pid_) {
    const bool limit_reached = status_.limit_reached;
    status_ = status_of(info.si_code, info.si_status);
    status_.limit_reached = limit_reached;
  } else {
    set_status_from_pidfd();
  }
  reaped_ = true;
  return true;
}

bool child_process::is_reaped() noexcept {
  std::lock_guard guard(lock_);
  return reaped_;
}

wait_status child_process::wait_ended(const wait_limit& limit) {
  if (is_reaped() || look() != looked::runs) return wait_status::ready;
  if (pidfd_.get() < 0) return wait_by_looking(limit);
  return wait_readable(pidfd_.get(), limit);
}

wait_status child_process::wait_by_looking(const wait_limit& limit) {
  const auto at = limit.get().at;
  for (growing_pause pause;;) {
    auto next = clock::now() + pause.next();
    const clock::time_point end{std::chrono::nanoseconds(at)};
    if (!limit.get().is_never()) next = std::min(next, end);
    wait_status status = wait_status::ready;
    select(on_timeout(next), on_done(limit.ends_with(), [&] {
             status = limit.ends_with().err() == context_error::deadline_exceeded
                          ? wait_status::timeout
                          : wait_status::cancelled;
           }));
    if (is_reaped() || look() != looked::runs) return wait_status::ready;
    if (status != wait_status::ready) return status;
    if (!limit.get().is_never() && clock::now() >= end) return wait_status::timeout;
  }
}

exit_status child_process::reap() {
  for (growing_pause pause;;) {
    {
      std::lock_guard guard(lock_);
      if (try_reap_locked()) return status_;
    }
    sleep_for(pause.next());
  }
}

int child_process::signal(int number) noexcept {
  std::lock_guard guard(lock_);
  // Taken by somebody else's wait, the number may be anybody's by now.
  if (reaped_ || pid_ <= 0 || look() == looked::taken) return 0;
  if (::kill(-pid_, number) == 0) return 0;
  return last_error() == ESRCH ? 0 : last_error();
}

void child_process::end_group(std::chrono::milliseconds grace) {
  {
    std::lock_guard guard(lock_);
    if (reaped_ || look() != looked::runs) return;
    status_.limit_reached = true;
    ++enders_;
  }
  struct at_end {
    child_process* of;
    ~at_end() {
      std::lock_guard guard(of->lock_);
      --of->enders_;
    }
  } ends{this};
  if (grace > grace.zero()) {
    const wait_limit until(grace);
    const auto is_over = [&] { return steady_now() >= until.get().at; };
    signal(SIGTERM);
    signal(SIGCONT);  // a stopped one would not see it
    wait_ended(until);
    // The first has ended and is a zombie; others may still be putting things in order.
    for (growing_pause pause; !is_over() && has_other_members(pid_);) sleep_for(pause.next());
  }
  signal(SIGKILL);
  wait_ended(until_left_behind);
}

exit_status child_process::wait(const std::shared_ptr<child_process>& p, const wait_limit& limit,
                                std::chrono::milliseconds grace) {
  if (p->wait_ended(limit) == wait_status::ready) return p->reap();
  p->end_group(grace);
  if (p->wait_ended(0s) == wait_status::ready) return p->reap();
  leave_behind(p);
  std::lock_guard guard(p->lock_);
  return p->status_;
}

coro<exit_status> child_process::async_wait(std::shared_ptr<child_process> p, wait_limit limit,
                                            std::chrono::milliseconds grace) {
  if (p->pidfd_.get() >= 0) {
    bool ended = p->is_reaped() || p->look() != looked::runs;
    if (!ended) ended = co_await async_wait_readable(p->pidfd_.get(), limit) == wait_status::ready;
    if (ended) {
      std::lock_guard guard(p->lock_);
      if (p->try_reap_locked()) co_return p->status_;
    }
  }
  // What is left is rare and takes many steps: a goroutine's work.
  auto rest = spawn([p, limit, grace] { return wait(p, limit, grace); });
  co_await rest.async_wait();
  co_return rest.get();
}

void child_process::end_and_reap(const std::shared_ptr<child_process>& p) noexcept {
  {
    std::lock_guard guard(p->lock_);
    if (p->reaped_ || p->left_behind_) return;
  }
  p->signal(SIGKILL);
  exit_guard waits_do_not_throw;
  try {
    if (p->wait_ended(1s) == wait_status::ready) {
      p->reap();
    } else {
      leave_behind(p);
    }
  } catch (...) {
    leave_behind(p);  // no descriptor, no memory
  }
}

void child_process::leave_behind(const std::shared_ptr<child_process>& p) noexcept {
  {
    std::lock_guard guard(p->lock_);
    if (std::exchange(p->left_behind_, true)) return;
  }
  try {
    // The default runtime never ends.
    submit_seed(default_core(), make_detached_seed([p] {
                  p->wait_ended({});
                  p->reap();
                }));
  } catch (...) {
    // It stays a zombie while this process lives.
  }
}

}  // namespace weft::detail
