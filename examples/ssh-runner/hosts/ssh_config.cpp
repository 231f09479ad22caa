#include "hosts/ssh_config.hpp"

#include <glob.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <memory>

#include "hosts/host_pattern.hpp"
#include "text/lower.hpp"

namespace ssh_runner {
namespace {

constexpr std::size_t deepest_include = 16;

// Words with blanks between them, after the keyword also '='; quotes keep blanks in a word; an
// unquoted '#' ends the line.
std::vector<std::string> words_of(const std::string& line, const std::string& where) {
  std::vector<std::string> words;
  std::string word;
  bool begun = false;
  char quote = 0;
  const auto finish = [&] {
    if (begun) words.push_back(std::move(word));
    word.clear();
    begun = false;
  };
  for (const char c : line) {
    if (quote != 0) {
      if (c == quote)
        quote = 0;
      else
        word += c;
    } else if (c == '"' || c == '\'') {
      quote = c;
      begun = true;
    } else if (c == '#' && !begun) {
      break;
    } else if (c == ' ' || c == '\t' || c == '\r' || (c == '=' && words.empty())) {
      finish();
    } else if (c == '=' && words.size() == 1 && !begun) {
      // "Port = 22"
    } else {
      word += c;
      begun = true;
    }
  }
  if (quote != 0) throw bad_config(where + ": a quote is not closed");
  finish();
  return words;
}

bool matches(const std::vector<std::string>& patterns, const std::string& host) {
  bool found = false;
  for (const std::string& pattern : patterns) {
    const bool negated = pattern.starts_with('!');
    if (!matches_glob(std::string_view(pattern).substr(negated ? 1 : 0), host)) continue;
    if (negated) return false;
    found = true;
  }
  return found;
}

int number(const std::string& text, const std::string& where, int least, int most) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < least || value > most)
    throw bad_config(where + ": '" + text + "' is no number from " + std::to_string(least) +
                     " to " + std::to_string(most));
  return value;
}

// "30", "2m", "1h30m", as sshd_config(5) has them.
std::chrono::seconds duration(const std::string& text, const std::string& where) {
  std::chrono::seconds sum{0};
  if (text.empty()) throw bad_config(where + ": a time is missing");
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find_first_not_of("0123456789", at), text.size());
    const int count = number(text.substr(at, end - at), where, 0, 100'000'000);
    const char unit = end < text.size() ? lower(text.substr(end, 1))[0] : 's';
    const int factor = unit == 's'   ? 1
                       : unit == 'm' ? 60
                       : unit == 'h' ? 3600
                       : unit == 'd' ? 86400
                       : unit == 'w' ? 604800
                                     : 0;
    if (factor == 0) throw bad_config(where + ": '" + text + "' is no time");
    sum += std::chrono::seconds(static_cast<std::int64_t>(count) * factor);
    at = end + 1;
  }
  return sum;
}

bool yes(const std::string& text, const std::string& where) {
  const std::string answer = lower(text);
  if (answer == "yes" || answer == "true") return true;
  if (answer == "no" || answer == "false") return false;
  throw bad_config(where + ": '" + text + "' is neither yes nor no");
}

}  // namespace

void ssh_config::read(const std::filesystem::path& file, bool must_be) {
  std::ifstream lines(file);
  if (!lines) {
    if (must_be) throw bad_config("cannot read " + file.string());
    return;
  }
  read(lines, file.string());
}

void ssh_config::read(std::istream& lines, const std::string& name) {
  begin({"*"});  // what stands before the first Host
  const std::filesystem::path dir = std::filesystem::path(name).parent_path();
  int count = 0;
  for (std::string line; std::getline(lines, line);)
    read_line(line, name + ':' + std::to_string(++count), dir);
}

void ssh_config::read_line(const std::string& line, const std::string& where,
                           const std::filesystem::path& dir) {
  std::vector<std::string> words = words_of(line, where);
  if (words.empty()) return;
  const std::string keyword = lower(words.front());
  words.erase(words.begin());
  if (words.empty()) throw bad_config(where + ": " + keyword + " has no value");
  if (keyword == "host") {
    begin(std::move(words));
  } else if (keyword == "match") {
    const bool all = words.size() == 1 && lower(words.front()) == "all";
    begin(all ? patterns{"*"} : patterns{});
    if (!all) warnings_.push_back(where + ": Match is not understood, and skipped");
  } else if (keyword == "include") {
    // Inside a block an included file holds for the same hosts only.
    const std::size_t outside = around_.size();
    const patterns current = blocks_.back().conditions.back();
    around_.push_back(current);
    for (const std::string& pattern : words) include(pattern, dir);
    around_.resize(outside);
    begin(current);
  } else {
    blocks_.back().settings.push_back({keyword, std::move(words), where});
  }
}

void ssh_config::begin(patterns of_host) {
  block next{around_, {}};
  next.conditions.push_back(std::move(of_host));
  blocks_.push_back(std::move(next));
}

void ssh_config::include(const std::string& pattern, const std::filesystem::path& dir) {
  if (around_.size() > deepest_include) throw bad_config("Include goes too deep: " + pattern);
  std::filesystem::path path = expanded(pattern, "", "", "", 0);
  if (path.is_relative()) path = dir / path;
  glob_t found{};
  if (glob(path.c_str(), 0, nullptr, &found) == 0) {
    for (std::size_t i = 0; i < found.gl_pathc; ++i) read(std::filesystem::path(found.gl_pathv[i]));
  }
  globfree(&found);
}

void ssh_config::apply(const setting& s, host_config& to) {
  const std::string& value = s.values.front();
  const auto first = [](auto& slot, auto v) {
    if (!slot) slot = v;
  };
  const auto joined = [&] {
    std::string text;
    for (const std::string& v : s.values) text.append(text.empty() ? "" : " ").append(v);
    return text;
  };
  if (s.keyword == "hostname") first(to.host_name, value);
  if (s.keyword == "user") first(to.user, value);
  if (s.keyword == "port")
    first(to.port, static_cast<std::uint16_t>(number(value, s.where, 1, 65535)));
  if (s.keyword == "identityfile") to.identity_files.push_back(value);
  if (s.keyword == "identitiesonly") first(to.identities_only, yes(value, s.where));
  if (s.keyword == "identityagent") first(to.identity_agent, value);
  // The first of these two hides the other.
  if (s.keyword == "proxyjump" && !to.proxy_command) first(to.proxy_jump, value);
  if (s.keyword == "proxycommand" && !to.proxy_jump) first(to.proxy_command, joined());
  if (s.keyword == "userknownhostsfile" && to.known_hosts_files.empty())
    to.known_hosts_files = s.values;
  if (s.keyword == "globalknownhostsfile" && to.global_known_hosts_files.empty())
    to.global_known_hosts_files = s.values;
  if (s.keyword == "stricthostkeychecking") first(to.strict_host_key_checking, lower(value));
  if (s.keyword == "hostkeyalias") first(to.host_key_alias, value);
  if (s.keyword == "connecttimeout" && lower(value) != "none")
    first(to.connect_timeout, duration(value, s.where));
  if (s.keyword == "serveraliveinterval") first(to.alive_interval, duration(value, s.where));
  if (s.keyword == "serveralivecountmax") first(to.alive_count, number(value, s.where, 1, 1000));
}

host_config ssh_config::look_up(const std::string& host, const std::string& user) const {
  host_config result;
  for (const block& b : blocks_)
    if (std::ranges::all_of(b.conditions, [&](const patterns& p) { return matches(p, host); }))
      for (const setting& s : b.settings) apply(s, result);

  const std::string given = host;
  if (result.host_name) result.host_name = expanded(*result.host_name, host, given, "", 0);
  const std::string address = result.host_name.value_or(host);
  const std::string remote = !user.empty() ? user : result.user.value_or(local_user_);
  const auto in_place = [&](std::string& text) {
    text = expanded(text, address, given, remote, result.port.value_or(22));
  };
  for (auto* files : {&result.identity_files, &result.known_hosts_files,
                      &result.global_known_hosts_files})
    std::ranges::for_each(*files, in_place);
  if (result.identity_agent) in_place(*result.identity_agent);
  if (result.proxy_jump) in_place(*result.proxy_jump);
  return result;
}

std::string ssh_config::expanded(const std::string& text, const std::string& host,
                                 const std::string& alias, const std::string& user,
                                 std::uint16_t port) const {
  std::string result;
  std::string_view rest = text;
  if (rest == "~" || rest.starts_with("~/")) {
    result = home_.string();
    rest.remove_prefix(1);
  }
  while (!rest.empty()) {
    if (rest.front() != '%' || rest.size() < 2) {
      result += rest.front();
      rest.remove_prefix(1);
      continue;
    }
    switch (rest[1]) {
      case '%': result += '%'; break;
      case 'h': result += host; break;
      case 'n': result += alias; break;
      case 'r': result += user; break;
      case 'p': result += std::to_string(port); break;
      case 'd': result += home_.string(); break;
      case 'u': result += local_user_; break;
      default: result += rest.substr(0, 2);
    }
    rest.remove_prefix(2);
  }
  return result;
}

}  // namespace ssh_runner
