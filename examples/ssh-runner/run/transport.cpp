#include "run/transport.hpp"

#include "run/ssh_command.hpp"

namespace ssh_runner {

std::unique_ptr<running_command> ssh_transport::start(const planned_host& host, attempt& a) {
  ssh_command_rules rules;
  rules.keep_alive = host.to->keep_alive;
  rules.signal_command = [this](const std::string& signal, int pid) {
    return launcher_.for_signal(signal, pid);
  };
  rules.signals_are_refused = host.to->user == "root";
  return start_ssh_command(connector_.connect(*host.to, a), launcher_.for_host(host.label),
                           std::move(rules), a);
}

}  // namespace ssh_runner
