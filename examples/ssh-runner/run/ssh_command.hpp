#pragma once

#include <functional>
#include <memory>

#include "connect/attempt.hpp"
#include "connect/keep_alive.hpp"
#include "connect/session.hpp"
#include "run/running_command.hpp"
#include "script/launch.hpp"

namespace ssh_runner {

struct ssh_command_rules {
  keep_alive_rule keep_alive;
  // Makes the command that sends a signal to a process there, for a second channel.
  std::function<launch(const std::string& signal, int pid)> signal_command;
  bool signals_fall_short = false;  // the second channel at once
};

// Starts a command in a session. A goroutine of its own does all work on the session from then on;
// nobody else touches libssh. Throws failure.
std::unique_ptr<running_command> start_ssh_command(std::unique_ptr<session> on, launch what,
                                                   ssh_command_rules rules, attempt& a);

}  // namespace ssh_runner
