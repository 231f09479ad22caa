// Which hosts, and how long to try to reach them.
#include "hosts/host_pattern.hpp"
#include "settings/option_table.hpp"

namespace ssh_runner {

void add_host_options(option_table& options, host_settings& hosts, time_settings& times) {
  options.group("Hosts");
  options.texts("-H,--host", hosts.lists, "HOSTS",
                "[user@]host[:port] with ranges such as web[01-20]; @group, ^file, !not-this, -: "
                "standard input");
  options.texts("--hosts-file", hosts.files, "FILE",
                "Hosts, a list on each line, which name=value may follow; -: standard input");
  options.texts("-x,--exclude", hosts.excluded, "HOSTS", "Not these: also with * and ?");
  options.text("--inventory", hosts.inventory, "FILE", "YAML file with groups and what hosts need")
      ->envname("SSH_RUNNER_INVENTORY");
  options.text("-F,--config", hosts.ssh_config, "FILE",
               "Instead of ~/.ssh/config and /etc/ssh/ssh_config; none: no file");
  options.text("-u,--user", hosts.user, "NAME", "User where the host names none");
  options.number<std::uint16_t>("-p,--port", hosts.port, 1, 65535,
                                "Port where the host names none");
  options.app()
      .add_flag_callback(
          "-4", [&hosts] { hosts.family = ip_family::v4; }, "IPv4 addresses only")
      ->group("Hosts");
  options.app()
      .add_flag_callback(
          "-6", [&hosts] { hosts.family = ip_family::v6; }, "IPv6 addresses only")
      ->group("Hosts");
  options.app()
      .add_option_function<std::string>(
          "-J,--jump",
          [&hosts](const std::string& list) {
            hosts.jump = list == "none" ? std::vector<std::string>{} : split_host_list(list);
          },
          "Go through these hosts, one behind the other; none: straight on, whatever the "
          "configuration says")
      ->type_name("HOST,...")
      ->group("Hosts");
  options.time("--connect-timeout", times.connect,
               "Until the script starts: look-up, handshake, login, jump hosts (default: 15s)");
}

}  // namespace ssh_runner
