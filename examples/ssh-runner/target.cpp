#include "target.hpp"

#include <algorithm>
#include <charconv>
#include <istream>
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

std::uint16_t parse_port(std::string_view digits, std::string_view text) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(digits.begin(), digits.end(), port);
  if (error != std::errc{} || end != digits.end() || port < 1 || port > 65535)
    refuse(text, "the port must be a number from 1 to 65535");
  return static_cast<std::uint16_t>(port);
}

std::string in_brackets_if_ipv6(const std::string& host) {
  return host.find(':') == std::string::npos ? host : '[' + host + ']';
}

}  // namespace

std::string target::address() const {
  return in_brackets_if_ipv6(host) + ':' + std::to_string(port);
}

target parse_target(std::string_view text) {
  target result;
  std::string_view rest = trimmed(text);
  if (const auto at = rest.rfind('@'); at != std::string_view::npos) {
    if (at == 0) refuse(text, "no user before the '@'");
    result.user = rest.substr(0, at);
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
  if (result.user.find_first_of(" \t\r\n") != std::string::npos)
    refuse(text, "a blank in the user name");
  if (has_port) result.port = parse_port(port, text);
  return result;
}

std::vector<target> parse_target_list(std::string_view text) {
  std::vector<target> result;
  for (std::size_t begin = 0; begin <= text.size();) {
    const auto comma = std::min(text.find(',', begin), text.size());
    result.push_back(parse_target(text.substr(begin, comma - begin)));
    begin = comma + 1;
  }
  return result;
}

std::vector<target> read_targets(std::istream& file, const std::string& name) {
  std::vector<target> result;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    const auto text = trimmed(std::string_view(line).substr(0, line.find('#')));
    if (text.empty()) continue;
    try {
      result.push_back(parse_target(text));
    } catch (const bad_target& error) {
      throw bad_target(name + ':' + std::to_string(number) + ": " + error.what());
    }
  }
  return result;
}

void label_targets(std::vector<target>& targets) {
  std::set<std::tuple<std::string, std::uint16_t, std::string>> seen;
  std::erase_if(targets,
                [&](const target& t) { return !seen.emplace(t.host, t.port, t.user).second; });

  std::map<std::string, std::set<std::uint16_t>> ports;
  std::map<std::string, std::set<std::string>> users;
  for (const target& t : targets) {
    ports[t.host].insert(t.port);
    users[t.host].insert(t.user);
  }
  for (target& t : targets) {
    const bool with_port = ports[t.host].size() > 1;
    t.label = with_port ? t.address() : in_brackets_if_ipv6(t.host);
    if (users[t.host].size() > 1) t.label = t.user + '@' + t.label;
  }
}

}  // namespace ssh_runner
