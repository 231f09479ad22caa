// All hosts that the command line names, in order.
//
// A list is made of terms with commas or blanks between them:
//   web[01-20]  [user@]host[:port], with ranges      @web   a group of the inventory
//   ^FILE       what is in a file                    -      what is on standard input
//   !web03      not this one: ranges, '*', '?' and groups may follow
#pragma once

#include <istream>
#include <set>
#include <string>
#include <vector>

#include "hosts/inventory.hpp"
#include "hosts/target.hpp"

namespace ssh_runner {

class host_list {
 public:
  // Standard input is read when a list or a file name says "-".
  host_list(const inventory& known, std::istream& standard_input)
      : known_(known), standard_input_(standard_input) {}

  // These throw bad_target or bad_pattern, with the file and the line if it was one.
  void add(std::string_view list);
  // One list a line, which may be followed by "user=x port=2222 …" for its hosts. '#' begins a
  // comment. "-": standard input.
  void add_file(const std::string& name);
  void exclude(std::string_view list);

  // What was added without what was excluded. Repetitions are still there.
  std::vector<target> targets() const;
  bool standard_input_was_read() const { return standard_input_was_read_; }
  // All variables with passwords of hosts, also of those that were excluded or that no list names.
  std::set<std::string> password_variables() const;

 private:
  void add(std::string_view list, const host_attributes& attributes);
  void add_term(const std::string& term, const host_attributes& attributes);
  void add_group(const std::string& name, const host_attributes& attributes);
  void add_standard_input();
  void add_lines(std::istream& lines, const std::string& name);
  void add_line(std::string_view line);

  const inventory& known_;
  std::istream& standard_input_;
  bool standard_input_was_read_ = false;
  std::vector<target> targets_;
  std::vector<std::string> excluded_;  // names and globs
  std::vector<std::string> inside_;    // the groups and files that are being read
};

}  // namespace ssh_runner
