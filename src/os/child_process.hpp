// A process that was started and is not reaped yet, or is: shared by the command and by whoever
// waits for it.
//
// not_reaped_while_signalled: signals go by number, so the lock is held from the look whether the
//   process is still unreaped to the end of the system call. A zombie keeps its number, and its
//   group's.
// ended_before_reaped: whoever ends the group (at a limit) counts in enders_ until its last signal is
//   sent; until then nobody reaps, so the number stays ours.
// The pidfd is closed with the last reference, so nobody waits for a descriptor that is gone.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>

#include "base/spin_lock.hpp"
#include "weft/io.hpp"
#include "weft/os.hpp"

namespace weft::detail {

class child_process {
 public:
  // Once, by who started it.
  void set(pid_t pid, file_descriptor pidfd) noexcept;

  pid_t pid() const noexcept { return pid_; }
  // To the group: an error number, 0 also if there is nobody any more.
  int signal(int number) noexcept;
  // As command::wait.
  static exit_status wait(const std::shared_ptr<child_process>&, const wait_limit&,
                          std::chrono::milliseconds grace);
  static coro<exit_status> async_wait(std::shared_ptr<child_process>, wait_limit,
                                      std::chrono::milliseconds grace);
  // Kills and reaps, as command's destructor does.
  static void end_and_reap(const std::shared_ptr<child_process>&) noexcept;

 private:
  enum class looked { runs, ended, taken };  // taken: by somebody else's wait
  looked look() const noexcept;
  // Until it has ended; what is ready is ready at any limit.
  wait_status wait_ended(const wait_limit&);
  // After that. May wait for others that end the group.
  exit_status reap();
  // Ends the whole group, and marks the status with it unless the process has ended by then.
  void end_group(std::chrono::milliseconds grace);
  // For one that cannot be killed: it is reaped when it ends.
  static void leave_behind(const std::shared_ptr<child_process>&) noexcept;
  bool is_reaped() noexcept;
  bool try_reap_locked() noexcept;
  wait_status wait_by_looking(const wait_limit&);
  void set_status_from_pidfd() noexcept;

  pid_t pid_ = -1;
  file_descriptor pidfd_;  // may be empty
  spin_lock lock_;         // guards the following
  bool reaped_ = false;
  bool left_behind_ = false;
  unsigned enders_ = 0;
  exit_status status_;
};

}  // namespace weft::detail
