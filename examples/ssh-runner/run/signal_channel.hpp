// A signal for a command by another command: for servers that send none themselves, as OpenSSH does
// not to root's commands.
#pragma once

#include <libssh/libssh.h>

#include "script/launch.hpp"

namespace ssh_runner {

// A second channel in a session, for the goroutine that owns it.
class signal_channel {
 public:
  signal_channel(ssh_session session, launch what);
  signal_channel(const signal_channel&) = delete;
  signal_channel& operator=(const signal_channel&) = delete;
  ~signal_channel();

  // Goes on as far as it can; to be called again whenever something has come.
  void step();

 private:
  enum class stage { opening, starting, sending, done };

  launch what_;
  ssh_channel channel_;
  stage stage_ = stage::opening;
};

}  // namespace ssh_runner
