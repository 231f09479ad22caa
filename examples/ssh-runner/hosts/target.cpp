#include "hosts/target.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <tuple>

namespace ssh_runner {
namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blank = " \t\r";
  const auto first = text.find_first_not_of(blank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blank) - first + 1);
}

[[noreturn]] void refuse(std::string_view text, std::string_view why) {
  throw bad_target("bad host '" + std::string(text) + "': " + std::string(why));
}

std::string in_brackets_if_ipv6(const std::string& host) {
  return host.find(':') == std::string::npos ? host : '[' + host + ']';
}

std::string first_line_of(const std::string& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  if (!in.is_open() || in.bad()) throw bad_target("cannot read " + file);
  return line;
}

std::string environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) throw bad_target("no variable " + name + " in the environment");
  return value;
}

}  // namespace

bool host_attributes::is_name(std::string_view name) {
  constexpr std::array<std::string_view, 8> names = {
      "user", "port", "key", "password", "password_env", "password_file", "jump", "fingerprint"};
  return std::ranges::find(names, name) != names.end();
}

void host_attributes::set(std::string_view name, const std::string& value) {
  if (name == "user")
    user = value;
  else if (name == "port")
    port = parse_port(value, value);
  else if (name == "key")
    keys.push_back(value);
  else if (name == "password")
    set_password(secret(value), {});
  else if (name == "password_env") {
    set_password(secret(environment(value)), "password_env=" + value);
    password_variables.push_back(value);
  } else if (name == "password_file")
    set_password(secret(first_line_of(value)), "password_file=" + value);
  else if (name == "jump")
    jump = value;
  else if (name == "fingerprint")
    fingerprint = value;
  else
    throw bad_target("'" + std::string(name) +
                     "' is none of user, port, key, password, password_env, password_file, jump, "
                     "fingerprint");
}

void host_attributes::set_password(secret text, std::string from) {
  password = std::move(text);
  password_from = std::move(from);
}

void host_attributes::complete_with(const host_attributes& other) {
  if (user.empty()) user = other.user;
  if (port == 0) port = other.port;
  if (keys.empty()) keys = other.keys;
  if (!password && other.password) set_password(*other.password, other.password_from);
  password_variables.insert(password_variables.end(), other.password_variables.begin(),
                            other.password_variables.end());
  if (!jump) jump = other.jump;
  if (fingerprint.empty()) fingerprint = other.fingerprint;
}

std::uint16_t parse_port(std::string_view digits, std::string_view where) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(digits.begin(), digits.end(), port);
  if (error != std::errc{} || end != digits.end() || port < 1 || port > 65535)
    refuse(where, "the port must be a number from 1 to 65535");
  return static_cast<std::uint16_t>(port);
}

std::string target::address() const {
  return in_brackets_if_ipv6(host) + ':' + std::to_string(said.port);
}

target parse_target(std::string_view text) {
  target result;
  std::string_view rest = trimmed(text);
  if (const auto at = rest.rfind('@'); at != std::string_view::npos) {
    if (at == 0) refuse(text, "no user before the '@'");
    result.said.user = rest.substr(0, at);
    rest.remove_prefix(at + 1);
  }
  std::string_view port;
  bool has_port = false;
  if (rest.starts_with('[')) {
    const auto end = rest.find(']');
    if (end == std::string_view::npos) refuse(text, "no ']' after the '['");
    result.host = rest.substr(1, end - 1);
    rest.remove_prefix(end + 1);
    has_port = rest.starts_with(':');
    if (has_port) port = rest.substr(1);
    if (!has_port && !rest.empty()) refuse(text, "only a ':' and a port may follow the ']'");
  } else {
    // More than one colon without brackets: an IPv6 address, all of it.
    const auto colon = rest.find(':');
    has_port = colon != std::string_view::npos && rest.find(':', colon + 1) == rest.npos;
    result.host = has_port ? rest.substr(0, colon) : rest;
    if (has_port) port = rest.substr(colon + 1);
  }
  if (result.host.empty()) refuse(text, "no host name");
  constexpr std::string_view never = " \t\r\n/,;@[]\\\"'#|&<>()";
  if (result.host.find_first_of(never) != std::string::npos || result.host.front() == '-')
    refuse(text, "this is no host name");
  if (result.said.user.find_first_of(" \t\r\n") != std::string::npos)
    refuse(text, "a blank in the user name");
  if (has_port) result.said.port = parse_port(port, text);
  return result;
}

void label_targets(std::vector<target>& targets) {
  std::set<std::tuple<std::string, std::uint16_t, std::string>> seen;
  std::erase_if(targets, [&](const target& t) {
    return !seen.emplace(t.host, t.said.port, t.said.user).second;
  });

  std::map<std::string, std::set<std::uint16_t>> ports;
  std::map<std::string, std::set<std::string>> users;
  for (const target& t : targets) {
    ports[t.host].insert(t.said.port);
    users[t.host].insert(t.said.user);
  }
  for (target& t : targets) {
    const bool with_port = ports[t.host].size() > 1;
    t.label = with_port ? t.address() : in_brackets_if_ipv6(t.host);
    if (users[t.host].size() > 1) t.label = t.said.user + '@' + t.label;
  }
}

}  // namespace ssh_runner
