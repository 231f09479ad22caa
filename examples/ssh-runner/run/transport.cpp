#include "run/transport.hpp"

#include "run/ssh_command.hpp"

namespace ssh_runner {

std::unique_ptr<running_command> ssh_transport::start(const planned_host& host, attempt& a) {
  ssh_command_rules rules;
  rules.keep_alive = host.to->keep_alive;
  rules.signal_command = [this](const std::string& signal, int pid) {
    return launcher_.for_signal(signal, pid);
  };
  // OpenSSH passes none on to what root runs; with sudo they reach no further than sudo itself, which
  // passes them on to the shell without its children.
  rules.signals_fall_short = host.to->user == "root" || by_sudo_;
  return start_ssh_command(connector_.connect(*host.to, a), launcher_.for_host(host.label),
                           std::move(rules), a);
}

}  // namespace ssh_runner
