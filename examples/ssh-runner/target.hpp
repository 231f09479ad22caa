// Who to run on: one host, as [user@]host[:port], and lists of them.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace ssh_runner {

struct target {
  std::string user;        // empty: not said
  std::string host;        // a name or an address, IPv6 without its brackets
  std::uint16_t port = 0;  // 0: not said
  std::string label;       // what stands in front of its output; set by label_targets

  // host:port, with brackets where they are needed.
  std::string address() const;
};

// The message names what was wrong, and where it stood.
class bad_target : public std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

// web1 · root@web1:2222 · 10.0.0.1 · ::1 · admin@[::1]:22
target parse_target(std::string_view text);

// "a,b:22,c"
std::vector<target> parse_target_list(std::string_view text);

// One host a line; blank lines and what follows a '#' are skipped. `name` is for messages.
std::vector<target> read_targets(std::istream& file, const std::string& name);

// Drops exact repetitions, then labels each with as much of host, port and user as tells it
// from the others. User and port must be set.
void label_targets(std::vector<target>& targets);

}  // namespace ssh_runner
