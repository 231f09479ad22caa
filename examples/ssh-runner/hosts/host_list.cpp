#include "hosts/host_list.hpp"

#include <algorithm>
#include <fstream>

#include "hosts/host_pattern.hpp"

namespace ssh_runner {
namespace {

constexpr std::string_view blanks = " \t\r\n";

// Words of a line, each "name=value" but the first.
std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  while (true) {
    const auto begin = line.find_first_not_of(blanks);
    if (begin == std::string_view::npos) return words;
    const auto end = std::min(line.find_first_of(blanks, begin), line.size());
    words.emplace_back(line.substr(begin, end - begin));
    line.remove_prefix(end);
  }
}

// A comment begins a line or follows a blank, as in a shell: a value may have a #.
std::string_view without_comment(std::string_view line) {
  for (auto at = line.find('#'); at != std::string_view::npos; at = line.find('#', at + 1))
    if (at == 0 || blanks.find(line[at - 1]) != std::string_view::npos) return line.substr(0, at);
  return line;
}

bool is_excluded(const target& t, const std::string& pattern) {
  const std::string with_port = t.address();
  const std::string with_user = t.said.user + '@' + t.host;
  for (const std::string& name : {t.host, with_port, with_user, t.said.user + '@' + with_port})
    if (matches_glob(pattern, name)) return true;
  return false;
}

// While it lives, what it names is being read: a group in itself would never end.
class reading {
 public:
  reading(std::vector<std::string>& inside, const std::string& what) : inside_(inside) {
    if (std::ranges::find(inside, what) != inside.end()) throw bad_target(what + " is in itself");
    inside.push_back(what);
  }
  reading(const reading&) = delete;
  reading& operator=(const reading&) = delete;
  ~reading() { inside_.pop_back(); }

 private:
  std::vector<std::string>& inside_;
};

}  // namespace

void host_list::add(std::string_view list) { add(list, {}); }

void host_list::add(std::string_view list, const host_attributes& attributes) {
  for (const std::string& term : split_host_list(list)) add_term(term, attributes);
}

void host_list::add_term(const std::string& term, const host_attributes& attributes) {
  if (term == "-") return add_standard_input();
  if (term.starts_with('^')) return add_file(term.substr(1));
  if (term.starts_with('!')) return exclude(std::string_view(term).substr(1));
  if (term.starts_with('@')) return add_group(term.substr(1), attributes);
  for (const std::string& name : expand_ranges(term)) {
    target t = parse_target(name);
    if (const auto known = known_.hosts.find(t.host); known != known_.hosts.end())
      t.said.complete_with(known->second);
    t.said.complete_with(attributes);
    targets_.push_back(std::move(t));
    if (targets_.size() > most_hosts) throw bad_target("more than 100000 hosts");
  }
}

void host_list::add_group(const std::string& name, const host_attributes& attributes) {
  const auto found = known_.groups.find(name);
  if (found == known_.groups.end())
    throw bad_target("no group '" + name + "'" +
                     (known_.groups.empty() ? ": --inventory names no file with groups" : ""));
  const reading guard(inside_, '@' + name);
  host_attributes inner = found->second.attributes;  // the innermost group knows best
  inner.complete_with(attributes);
  add(found->second.hosts, inner);
}

void host_list::add_file(const std::string& name) {
  if (name == "-") return add_standard_input();
  std::ifstream file(name);
  if (!file) throw bad_target("cannot read " + name);
  const reading guard(inside_, name);
  add_lines(file, name);
}

void host_list::add_standard_input() {
  standard_input_was_read_ = true;
  add_lines(standard_input_, "standard input");
}

void host_list::add_lines(std::istream& lines, const std::string& name) {
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    try {
      add_line(without_comment(line));
    } catch (const std::invalid_argument& error) {
      throw bad_target(name + ':' + std::to_string(number) + ": " + error.what());
    }
  }
}

void host_list::add_line(std::string_view line) {
  const std::vector<std::string> words = words_of(line);
  if (words.empty()) return;
  // Not shown either: it may be a password.
  if (words[0].find('=') != std::string::npos)
    throw bad_target("a line begins with its hosts, and name=value comes after them");
  host_attributes attributes;
  bool after_password = false;
  for (std::size_t i = 1; i < words.size(); ++i) {
    const auto equals = words[i].find('=');
    const std::string name = words[i].substr(0, equals);
    // The word itself is not shown: it may be the rest of a password with a blank in it.
    if (equals == std::string::npos || (after_password && !host_attributes::is_name(name)))
      throw bad_target("bad host '" + words[0] + "': word " + std::to_string(i + 1) +
                       " of its line is not name=value (values with blanks: in an --inventory)");
    attributes.set(name, words[i].substr(equals + 1));
    after_password |= name == "password";
  }
  add(words[0], attributes);
}

void host_list::exclude(std::string_view list) {
  for (const std::string& term : split_host_list(list)) {
    if (!term.starts_with('@') && !term.starts_with('^')) {
      std::ranges::move(expand_ranges(term), std::back_inserter(excluded_));
      continue;
    }
    host_list others(known_, standard_input_);
    others.add(term);
    standard_input_was_read_ |= others.standard_input_was_read_;
    for (const target& t : others.targets()) excluded_.push_back(t.host);
  }
}

std::set<std::string> host_list::password_variables() const {
  std::set<std::string> names;
  const auto add = [&](const host_attributes& some) {
    names.insert(some.password_variables.begin(), some.password_variables.end());
  };
  for (const auto& [name, group] : known_.groups) add(group.attributes);
  for (const auto& [name, attributes] : known_.hosts) add(attributes);
  for (const target& t : targets_) add(t.said);
  return names;
}

std::vector<target> host_list::targets() const {
  std::vector<target> result;
  // Most exclusions are plain names; only the others are compared with every host.
  std::vector<std::string> names;
  std::vector<std::string> globs;
  for (const std::string& e : excluded_)
    (e.find_first_of("*?@:") == std::string::npos ? names : globs).push_back(e);
  std::ranges::sort(names);
  for (const target& t : targets_) {
    const auto hits = [&](const std::string& glob) { return is_excluded(t, glob); };
    if (!std::ranges::binary_search(names, t.host) && std::ranges::none_of(globs, hits))
      result.push_back(t);
  }
  return result;
}

}  // namespace ssh_runner
