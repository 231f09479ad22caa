#include "settings.hpp"

#include <pwd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <sstream>

namespace ssh_runner {
namespace {

// As the options give it, before files are read and defaults filled in.
struct command_line {
  std::vector<std::string> hosts, hosts_files, keys;
  std::string user, password, script, script_file, known_hosts, host_key_check = "yes";
  std::string timeout = "15s", command_timeout = "0";
  int port = 22;
  int fanout = 100;
};

struct account {
  std::string name;
  std::filesystem::path ssh_dir;
};

account current_account() {
  account result;
  const passwd* entry = getpwuid(getuid());
  if (entry != nullptr) result.name = entry->pw_name;
  const char* home = std::getenv("HOME");
  if (home == nullptr && entry != nullptr) home = entry->pw_dir;
  if (home != nullptr) result.ssh_dir = std::filesystem::path(home) / ".ssh";
  return result;
}

std::optional<std::string> environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? std::optional<std::string>(value) : std::nullopt;
}

std::string read_all(std::istream& in) {
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::string read_script(const std::string& file) {
  if (file == "-") return read_all(std::cin);
  std::ifstream in(file, std::ios::binary);
  std::string text = read_all(in);
  if (!in.is_open() || in.bad()) throw usage_error("--script-file: cannot read " + file);
  return text;
}

std::vector<target> read_all_targets(const command_line& line, const account& me) {
  std::vector<target> result;
  const auto append = [&](std::vector<target> more) {
    std::ranges::move(more, std::back_inserter(result));
  };
  for (const std::string& list : line.hosts) {
    try {
      append(parse_target_list(list));
    } catch (const bad_target& error) {
      throw usage_error(std::string("--host: ") + error.what());
    }
  }
  for (const std::string& name : line.hosts_files) {
    std::ifstream file(name);
    if (!file) throw usage_error("--hosts-file: cannot read " + name);
    try {
      append(read_targets(file, name));
    } catch (const bad_target& error) {
      throw usage_error(std::string("--hosts-file: ") + error.what());
    }
  }
  if (result.empty()) throw usage_error("no hosts: give --host or --hosts-file");
  for (target& t : result) {
    if (t.user.empty()) t.user = line.user.empty() ? me.name : line.user;
    if (t.user.empty()) throw usage_error("no user for host '" + t.host + "': give --user");
    if (t.port == 0) t.port = static_cast<std::uint16_t>(line.port);
  }
  label_targets(result);
  return result;
}

credentials read_credentials(const command_line& line, const account& me) {
  credentials result;
  const auto passphrase = environment("SSH_RUNNER_PASSPHRASE");
  if (!line.password.empty()) result.password = line.password;
  for (const std::string& file : line.keys) {
    try {
      result.keys.push_back(read_private_key(file, passphrase));
    } catch (const std::runtime_error& error) {
      throw usage_error(std::string("--key: ") + error.what());
    }
  }
  if (!line.keys.empty() || result.password || me.ssh_dir.empty()) return result;
  for (const char* name : {"id_ed25519", "id_ecdsa", "id_rsa"}) {
    std::error_code ignored;
    if (!std::filesystem::exists(me.ssh_dir / name, ignored)) continue;
    try {
      result.keys.push_back(read_private_key(me.ssh_dir / name, passphrase));
    } catch (const std::runtime_error& error) {
      std::cerr << "ssh-runner: not used: " << error.what() << '\n';
    }
  }
  return result;
}

known_hosts read_known_hosts(const command_line& line, const account& me) {
  known_hosts result;
  if (!line.known_hosts.empty()) {
    result.read(std::filesystem::path(line.known_hosts));
  } else {
    result.read(std::filesystem::path("/etc/ssh/ssh_known_hosts"));
    if (!me.ssh_dir.empty()) result.read(me.ssh_dir / "known_hosts");
  }
  return result;
}

std::string check_duration(const std::string& text) {
  return parse_duration(text) ? "" : "'" + text + "' is no duration, such as 10, 1.5s, 500ms or 2m";
}

}  // namespace

std::optional<std::chrono::nanoseconds> parse_duration(const std::string& text) {
  static const std::map<std::string, double> units = {
      {"", 1}, {"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}};
  std::istringstream words(text);
  double number = 0;
  std::string unit;
  if (text.find_first_not_of("0123456789.msh") != std::string::npos || !(words >> number))
    return std::nullopt;
  words >> unit;
  const auto found = units.find(unit);
  constexpr double most = 1e9;  // seconds; so that adding it to the time of day cannot overflow
  if (found == units.end() || number * found->second > most) return std::nullopt;
  return std::chrono::nanoseconds(std::llround(number * found->second * 1e9));
}

std::optional<settings> read_command_line(int argc, char** argv) {
  command_line line;
  CLI::App app(
      "Runs a script on many hosts at once over SSH and prints what it writes, line by line,\n"
      "with the host in front.",
      "ssh-runner");
  app.add_option("--host", line.hosts, "[user@]host[:port], several with commas; may be repeated")
      ->allow_extra_args(false)
      ->type_name("HOST,...");
  app.add_option("--hosts-file", line.hosts_files, "File with one host a line, # for comments")
      ->allow_extra_args(false)
      ->type_name("FILE");
  app.add_option("--user", line.user, "User where the host names none (default: who runs this)")
      ->type_name("NAME");
  app.add_option("--port", line.port, "Port where the host names none (default: 22)")
      ->check(CLI::Range(1, 65535))
      ->type_name("PORT");
  app.add_option("--key", line.keys,
                 "Private key file; may be repeated (default, without a password: ~/.ssh/id_*)")
      ->allow_extra_args(false)
      ->type_name("FILE");
  app.add_option("--password", line.password,
                 "Password; the environment variable does not show it in ps")
      ->envname("SSH_RUNNER_PASSWORD")
      ->type_name("TEXT");
  auto* script = app.add_option("--script", line.script, "The script, for sh")->type_name("TEXT");
  auto* script_file =
      app.add_option("--script-file", line.script_file, "File that holds it; -: standard input")
          ->excludes(script)
          ->type_name("FILE");
  app.add_option("--timeout", line.timeout,
                 "Until the command is started: look-up, connection, handshake and login "
                 "(default: 15s)")
      ->check(check_duration)
      ->type_name("TIME");
  app.add_option("--command-timeout", line.command_timeout,
                 "For the command (default: 0, no limit)")
      ->check(check_duration)
      ->type_name("TIME");
  app.add_option("--fanout", line.fanout, "Hosts at a time (default: 100)")
      ->check(CLI::Range(1, 1'000'000))
      ->type_name("N");
  app.add_option("--known-hosts", line.known_hosts,
                 "Instead of ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts")
      ->check(CLI::ExistingFile)
      ->type_name("FILE");
  app.add_option("--host-key-check", line.host_key_check, "yes (default) or no")
      ->check(CLI::IsMember({"yes", "no"}))
      ->type_name("YES|NO");
  app.footer(
      "Exit status: 0 all went well; 1 a remote command failed; 2 bad usage; 3 a host could not\n"
      "be connected or logged in to; 4 a time-out; 5 a host key was refused; 6 the output could\n"
      "not be written. The highest one wins.");

  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    app.exit(help);
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    throw usage_error(error.what());
  }
  if (script->empty() && script_file->empty())
    throw usage_error("no script: give --script or --script-file");

  const account me = current_account();
  settings result;
  result.targets = read_all_targets(line, me);
  result.script = std::make_shared<const std::string>(
      script_file->empty() ? line.script : read_script(line.script_file));
  result.login = read_credentials(line, me);
  result.check_host_keys = line.host_key_check == "yes";
  if (result.check_host_keys) result.hosts = read_known_hosts(line, me);
  result.timeout = *parse_duration(line.timeout);
  if (result.timeout.count() == 0) throw usage_error("--timeout: must be more than 0");
  const auto limit = *parse_duration(line.command_timeout);
  if (limit.count() > 0) result.command_timeout = limit;
  result.fanout = static_cast<std::size_t>(line.fanout);
  return result;
}

}  // namespace ssh_runner
