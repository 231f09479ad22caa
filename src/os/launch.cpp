// A process with many threads cannot fork: the child of a fork would have the locks of threads that
// it has not. So the child shares this process's memory (CLONE_VM), on a small stack of its own, and
// the calling thread stands still until it has loaded the program or ended (CLONE_VFORK).
//
// child_calls_only: what runs in the child calls the kernel and nothing else. It has the caller's
//   thread-local storage and no sanitizer may look at it, so: no function but syscall() and those
//   here (templates and inline ones would be instrumented), no allocation, and it writes to nothing
//   but its own stack, errno and the record.
// no_handler_runs: all signals are blocked from before the clone; the child sets every disposition
//   to the default one before it unblocks them, so that no handler of ours runs on shared memory.
// nothing_leaks: whatever is open and is not one of the three streams is closed by exec, also what
//   others opened without O_CLOEXEC.
// The clone gives the pidfd, so that there is no moment in which somebody else could reap the child
// and its number could be used again.
// Proved by: tests/conformance/command_*.cpp.
#include "os/launch.hpp"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

#include "switch/thread_local.hpp"

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000  // Linux 5.2; ignored before
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434  // Linux 5.3
#endif
#ifndef SYS_close_range
#define SYS_close_range 436  // Linux 5.9
#endif
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4  // Linux 5.11
#endif

#if defined(__clang__)
#define WEFT_IN_CHILD [[clang::no_sanitize("address", "thread", "undefined")]] [[gnu::noinline]]
#else
#define WEFT_IN_CHILD \
  [[gnu::no_sanitize("address"), gnu::no_sanitize("thread"), gnu::no_sanitize("undefined"), gnu::noinline]]
#endif

#if defined(__GLIBC__)
// clone() under its other name: ThreadSanitizer takes that one for a fork of memory of its own.
extern "C" int __clone(int (*function)(void*), void* stack, int flags, void* argument, ...) noexcept;
#define WEFT_CLONE __clone
#else
#define WEFT_CLONE clone
#endif

namespace weft::detail {

namespace {

constexpr int signals = 64;
constexpr std::size_t signal_set_size = signals / CHAR_BIT;  // the kernel's
constexpr std::size_t stack_size = std::size_t{16} << 10;

struct child_record {
  const launch_plan* plan;
  launch_step step;
  int error;
};

WEFT_IN_CHILD bool cloexec_from_directory() {
  const long directory = syscall(SYS_openat, AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY);
  if (directory < 0) return false;
  // Entries as getdents64 gives them.
  struct entry {
    std::uint64_t inode;
    std::int64_t offset;
    std::uint16_t size;
    std::uint8_t type;
    char name[1];
  };
  alignas(entry) char entries[2048];
  for (;;) {
    const long n = syscall(SYS_getdents64, directory, entries, sizeof entries);
    if (n <= 0) return n == 0;
    for (long at = 0; at < n;) {
      const auto* e = reinterpret_cast<const entry*>(entries + at);
      at += e->size;
      int fd = 0;
      for (const char* c = e->name; *c >= '0' && *c <= '9'; ++c) fd = fd * 10 + (*c - '0');
      if (fd > 2) syscall(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC);
    }
  }
}

WEFT_IN_CHILD void close_all_at_exec() {
  if (syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC) == 0) return;
  if (cloexec_from_directory()) return;
  rlimit limit{};
  syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, nullptr, &limit);
  for (rlim_t fd = 3; fd < limit.rlim_cur; ++fd) syscall(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC);
}

// As exec of the shell and execvp do: a directory without the program, or without the right to look,
// is passed over; what may not be run is told if there is nothing else.
WEFT_IN_CHILD int load_program(const launch_plan& plan) {
  int error = ENOENT;
  bool denied = false;
  for (std::size_t i = 0; i < plan.path_count; ++i) {
    syscall(SYS_execve, plan.paths[i], plan.arguments, plan.environment);
    error = last_error();
    if (error == EACCES) {
      denied = true;
    } else if (error != ENOENT && error != ENOTDIR && error != ESTALE && error != ENODEV &&
               error != ETIMEDOUT) {
      return error;
    }
  }
  return denied ? EACCES : error;
}

WEFT_IN_CHILD int prepare_and_load(child_record& record) {
  const launch_plan& plan = *record.plan;
  // Larger than any kernel's structure; zeroes are the default disposition.
  alignas(void*) static constexpr char default_action[64] = {};
  for (int s = 1; s <= signals; ++s) {
    syscall(SYS_rt_sigaction, s, default_action, nullptr, signal_set_size);
  }
  static constexpr std::uint64_t no_signal = 0;
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &no_signal, nullptr, signal_set_size);
  record.step = launch_step::group;
  if (syscall(SYS_setpgid, 0, 0) != 0) return last_error();
  record.step = launch_step::directory;
  if (plan.directory != nullptr && syscall(SYS_chdir, plan.directory) != 0) return last_error();
  record.step = launch_step::streams;
  for (int i = 0; i < 3; ++i) {
    const int from = plan.streams[i];
    if (from >= 0 && syscall(SYS_dup3, from, i, 0) < 0) return last_error();
  }
  if (plan.errors_to_output && syscall(SYS_dup3, 1, 2, 0) < 0) return last_error();
  close_all_at_exec();
  record.step = launch_step::program;
  return load_program(plan);
}

WEFT_IN_CHILD int run_child(void* argument) {
  auto& record = *static_cast<child_record*>(argument);
  record.error = prepare_and_load(record);
  syscall(SYS_exit_group, 127);
  return 127;
}

// Every signal, those that the C library keeps for itself, too.
class signals_blocked {
 public:
  signals_blocked() noexcept {
    const std::uint64_t all = ~std::uint64_t{0};
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before_, signal_set_size);
  }
  ~signals_blocked() {
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before_, nullptr, signal_set_size);
  }
  signals_blocked(const signals_blocked&) = delete;
  signals_blocked& operator=(const signals_blocked&) = delete;

 private:
  std::uint64_t before_ = 0;
};

}  // namespace

launch_result launch(const launch_plan& plan) noexcept {
  launch_result result;
  const std::unique_ptr<std::byte[]> stack(new (std::nothrow) std::byte[stack_size]);
  if (stack == nullptr) {
    result.error = ENOMEM;
    return result;
  }
  child_record record{&plan, launch_step::clone, 0};
  constexpr int flags = CLONE_VM | CLONE_VFORK | SIGCHLD;
  int pidfd = -1;
  int error = 0;
  {
    signals_blocked guard;
    void* top = stack.get() + stack_size;  // aligned, as the allocation is
    result.pid = WEFT_CLONE(&run_child, top, flags | CLONE_PIDFD, &record, &pidfd);
    if (result.pid < 0 && last_error() == EINVAL) {
      result.pid = WEFT_CLONE(&run_child, top, flags, &record);
    }
    if (result.pid < 0) error = last_error();
  }
  if (error != 0) {
    result.error = error;
    return result;
  }
  if (record.error != 0) {
    result.error = record.error;
    result.failed = record.step;
    if (pidfd >= 0) close(pidfd);
    // It has ended; whatever a handler of SIGCHLD does, it is not there afterwards.
    while (waitpid(result.pid, nullptr, 0) < 0 && last_error() == EINTR) {
    }
    return result;
  }
  if (pidfd < 0) pidfd = static_cast<int>(syscall(SYS_pidfd_open, result.pid, 0));
  if (pidfd >= 0) result.pidfd = file_descriptor(pidfd);
  return result;
}

}  // namespace weft::detail
