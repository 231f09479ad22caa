// How a script gets into a shell.
//
// It goes over the shell's standard input, so that `ps` shows nothing of it, and is read whole
// before any of it is run: a connection that breaks on the way runs nothing, and the script's own
// commands cannot eat its rest. What runs first greets with a line of its own, which says its process
// id; dialog takes that line out of the output again.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "settings/settings.hpp"

namespace ssh_runner {

// For one host.
struct launch {
  std::string command;                        // for the login shell
  std::string before;                         // of the script: its variables
  std::shared_ptr<const std::string> script;  // one for all hosts
  std::string after;
  std::string mark;                           // begins the lines that are ours
  bool pty = false;
  bool waits_for_greeting = false;            // before it sends anything: a terminal, or sudo
  std::optional<secret> sudo_password;
};

class launcher {
 public:
  explicit launcher(const script_settings& asked);

  // `host`: what SSH_RUNNER_HOST is to be there.
  launch for_host(const std::string& host) const;
  // A command that sends a signal to the process group of that process, with its input.
  launch for_signal(const std::string& signal, int pid) const;

 private:
  script_settings asked_;
  std::string nonce_, mark_, end_;
  std::string variables_;
  std::shared_ptr<const std::string> script_;

  std::string with_sudo(const std::string& command) const;
};

}  // namespace ssh_runner
