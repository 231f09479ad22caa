#include "settings/drone_environment.hpp"

#include <algorithm>
#include <cctype>
#include <initializer_list>

#include "connect/session.hpp"
#include "hosts/host_pattern.hpp"
#include "hosts/target.hpp"
#include "settings/env_file.hpp"
#include "settings/environment.hpp"
#include "settings/option_table.hpp"
#include "text/duration.hpp"

namespace ssh_runner {
namespace {

using names = std::initializer_list<const char*>;

constexpr duration drone_connect_timeout = std::chrono::seconds(30);
constexpr duration drone_command_timeout = std::chrono::minutes(10);

struct variable {
  std::string name, value;
  explicit operator bool() const { return !name.empty(); }
};

// The first that is set, in drone-ssh's order.
variable find(names list) {
  for (const char* name : list)
    if (auto value = environment(name); value && !value->empty()) return {name, std::move(*value)};
  return {};
}

bool is_true(names list) {
  const variable v = find(list);
  if (!v) return false;
  for (const char* word : {"1", "t", "T", "true", "TRUE", "True"})
    if (v.value == word) return true;
  for (const char* word : {"0", "f", "F", "false", "FALSE", "False"})
    if (v.value == word) return false;
  throw usage_error(v.name + ": '" + v.value + "' is neither true nor false");
}

void take_text(std::string& to, names list) {
  if (to.empty()) to = find(list).value;
}
void take_secret(std::optional<secret>& to, names list) {
  if (variable v = find(list); v && !to) to = secret(std::move(v.value));
}
// 0: no limit.
void take_time(std::optional<duration>& to, names list) {
  const variable v = find(list);
  if (!v || to) return;
  to = parse_duration(v.value);
  if (!to) throw usage_error(v.name + ": '" + v.value + "' is no duration");
  if (to->count() == 0) to = no_limit;
}
void take_algorithms(algorithm_settings& to, names ciphers, names insecure) {
  if (const variable v = find(ciphers); v && to.ciphers.empty()) {
    to.ciphers = v.value;
    if (!check_algorithms({.ciphers = v.value, .key_exchange = {}, .macs = {}}).empty())
      throw usage_error(v.name + ": libssh knows none of these: " + v.value);
  }
  to.insecure |= is_true(insecure);
}
ip_family family_of(const variable& v) {
  if (v.value == "tcp4") return ip_family::v4;
  if (v.value == "tcp6") return ip_family::v6;
  if (v && v.value != "tcp")
    throw usage_error(v.name + ": '" + v.value + "' is none of tcp, tcp4, tcp6");
  return ip_family::any;
}

std::vector<std::string> items(const std::string& list) {
  std::vector<std::string> result;
  for (std::size_t at = 0; at <= list.size();) {
    const auto comma = std::min(list.find(',', at), list.size());
    std::string item = list.substr(at, comma - at);
    item.erase(0, std::min(item.find_first_not_of(" \t\r\n"), item.size()));
    item.erase(item.find_last_not_of(" \t\r\n") + 1);
    if (!item.empty()) result.push_back(std::move(item));
    at = comma + 1;
  }
  return result;
}

void append(std::string& script, const std::string& text) {
  if (!script.empty() && !script.ends_with('\n')) script += '\n';
  script += text;
}

void take_script(script_settings& script) {
  if (script.text.empty()) {
    // Drone joins a list by commas. A text with line ends is no such list.
    if (const variable v = find({"PLUGIN_SCRIPT", "SSH_SCRIPT"})) {
      const bool is_list = v.value.find('\n') == std::string::npos;
      for (const std::string& item : is_list ? items(v.value) : std::vector{v.value})
        append(script.text, item);
    }
    if (const variable v = find({"INPUT_SCRIPT"})) append(script.text, v.value);
    if (const variable v = find({"PLUGIN_SCRIPT_FILE", "INPUT_SCRIPT_FILE"}))
      append(script.text, read_text_file(v.value, v.name.c_str()));
  }
  script.stop_on_error |= is_true({"PLUGIN_SCRIPT_STOP", "INPUT_SCRIPT_STOP"});
  script.request_pty |= is_true({"PLUGIN_REQUEST_PTY", "INPUT_REQUEST_PTY"});
  if (const variable v = find({"PLUGIN_ENVS_FORMAT", "INPUT_ENVS_FORMAT"}))
    script.variable_format = v.value;
  for (std::string name : items(find({"PLUGIN_ENVS", "INPUT_ENVS"}).value)) {
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::toupper(c); });
    if (auto value = environment(name.c_str())) script.variables.emplace_back(name, *value);
  }
  if (is_true({"PLUGIN_ALLENVS", "INPUT_ALLENVS", "INPUT_ALL_ENVS"}))
    for (const char* pattern : {"DRONE_*", "PLUGIN_*", "INPUT_*", "GITHUB_*"})
      add_matching_variables(script, pattern);
}

void take_login(login_settings& login, names key_files, names key, names passphrase,
                names password) {
  if (login.key_files.empty())
    if (const variable v = find(key_files)) login.key_files.push_back(v.value);
  take_secret(login.key_text, key);
  take_secret(login.passphrase, passphrase);
  take_secret(login.password, password);
}

void take_proxy(settings& asked) {
  const variable host = find({"PLUGIN_PROXY_HOST", "PROXY_SSH_HOST", "INPUT_PROXY_HOST"});
  if (!host || asked.hosts.jump) return;
  std::string user = find({"PLUGIN_PROXY_USERNAME", "PLUGIN_PROXY_USER", "PROXY_SSH_USERNAME",
                           "INPUT_PROXY_USERNAME"})
                         .value;
  std::string port = find({"PLUGIN_PROXY_PORT", "PROXY_SSH_PORT", "INPUT_PROXY_PORT"}).value;
  const bool bare_ipv6 = std::ranges::count(host.value, ':') > 1 && !host.value.starts_with('[');
  asked.hosts.jump.emplace({(user.empty() ? "root" : user) + '@' +
                            (bare_ipv6 ? '[' + host.value + ']' : host.value) + ':' +
                            (port.empty() ? "22" : port)});
  take_login(asked.jump_login,
             {"PLUGIN_PROXY_KEY_PATH", "PROXY_SSH_KEY_PATH", "INPUT_PROXY_KEY_PATH"},
             {"PLUGIN_PROXY_SSH_KEY", "PLUGIN_PROXY_KEY", "PROXY_SSH_KEY", "INPUT_PROXY_KEY"},
             {"PLUGIN_PROXY_SSH_PASSPHRASE", "PLUGIN_PROXY_PASSPHRASE", "PROXY_SSH_PASSPHRASE",
              "INPUT_PROXY_PASSPHRASE"},
             {"PLUGIN_PROXY_PASSWORD", "PROXY_SSH_PASSWORD", "INPUT_PROXY_PASSWORD"});
  take_text(asked.host_keys.jump_fingerprint, {"PLUGIN_PROXY_FINGERPRINT", "PROXY_SSH_FINGERPRINT",
                                               "PROXY_FINGERPRINT", "INPUT_PROXY_FINGERPRINT"});
  // As there, what is said of the hosts does not hold for it.
  asked.hosts.jump_family =
      family_of(find({"PLUGIN_PROXY_PROTOCOL", "SSH_PROXY_PROTOCOL", "INPUT_PROXY_PROTOCOL"}));
  take_algorithms(asked.jump_algorithms.emplace(),
                  {"PLUGIN_PROXY_CIPHERS", "PROXY_SSH_CIPHERS", "INPUT_PROXY_CIPHERS"},
                  {"PLUGIN_PROXY_USE_INSECURE_CIPHER", "PROXY_SSH_USE_INSECURE_CIPHER",
                   "INPUT_PROXY_USE_INSECURE_CIPHER"});
  // One connect time-out covers the jump host, too: the longer one.
  std::optional<duration> limit;
  take_time(limit, {"PLUGIN_PROXY_TIMEOUT", "PROXY_SSH_TIMEOUT", "INPUT_PROXY_TIMEOUT"});
  if (limit && asked.times.connect) asked.times.connect = std::max(*limit, *asked.times.connect);
}

}  // namespace

void complete_from_drone(settings& asked) {
  host_settings& hosts = asked.hosts;
  if (!hosts.lists.empty() || !hosts.files.empty()) return;
  // What is set already counts more than the first file, and less than Drone's own.
  if (const variable file = find({"PLUGIN_ENV_FILE"})) read_env_file(file.value, false);
  read_env_file("/run/drone/env", true);
  const variable host = find({"PLUGIN_HOST", "SSH_HOST", "INPUT_HOST"});
  if (!host) return;
  hosts.lists.push_back(host.value);

  take_text(hosts.user, {"PLUGIN_USERNAME", "PLUGIN_USER", "SSH_USERNAME", "INPUT_USERNAME"});
  if (hosts.user.empty()) hosts.user = "root";
  if (const variable v = find({"PLUGIN_PORT", "SSH_PORT", "INPUT_PORT"}); v && hosts.port == 0) {
    try {
      hosts.port = parse_port(v.value, v.value);
    } catch (const bad_target& error) {
      throw usage_error(v.name + ": " + error.what());
    }
  }
  if (hosts.family == ip_family::any)
    hosts.family = family_of(find({"PLUGIN_PROTOCOL", "SSH_PROTOCOL", "INPUT_PROTOCOL"}));

  take_login(asked.login, {"PLUGIN_KEY_PATH", "SSH_KEY_PATH", "INPUT_KEY_PATH"},
             {"PLUGIN_SSH_KEY", "PLUGIN_KEY", "SSH_KEY", "INPUT_KEY"},
             {"PLUGIN_SSH_PASSPHRASE", "PLUGIN_PASSPHRASE", "SSH_PASSPHRASE", "INPUT_PASSPHRASE"},
             {"PLUGIN_PASSWORD", "SSH_PASSWORD", "INPUT_PASSWORD"});
  take_text(asked.host_keys.fingerprint,
            {"PLUGIN_FINGERPRINT", "SSH_FINGERPRINT", "INPUT_FINGERPRINT"});
  take_algorithms(
      asked.algorithms, {"PLUGIN_CIPHERS", "SSH_CIPHERS", "INPUT_CIPHERS", "INPUT_CIPHER"},
      {"PLUGIN_USE_INSECURE_CIPHER", "SSH_USE_INSECURE_CIPHER", "INPUT_USE_INSECURE_CIPHER"});

  take_time(asked.times.connect, {"PLUGIN_TIMEOUT", "SSH_TIMEOUT", "INPUT_TIMEOUT"});
  if (!asked.times.connect) asked.times.connect = drone_connect_timeout;
  take_time(asked.times.command,
            {"PLUGIN_COMMAND_TIMEOUT", "SSH_COMMAND_TIMEOUT", "INPUT_COMMAND_TIMEOUT"});
  if (!asked.times.command) asked.times.command = drone_command_timeout;

  take_proxy(asked);
  take_script(asked.script);
  if (is_true({"PLUGIN_SYNC", "INPUT_SYNC"})) asked.run.fanout = 1;
  asked.output.debug |= is_true({"PLUGIN_DEBUG", "INPUT_DEBUG", "DEBUG"});
}

}  // namespace ssh_runner
