// Who to run on: one host, as [user@]host[:port], and what is said of it beside.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "hosts/secret.hpp"

namespace ssh_runner {

// What a hosts file or the inventory says of a host beside its name.
struct host_attributes {
  std::string user;  // empty: not said, as below
  std::uint16_t port = 0;
  std::vector<std::string> keys;  // files
  std::optional<secret> password;
  std::string password_from;  // "password_env=NAME", "password_file=FILE"; empty: it was said
  std::vector<std::string>
      password_variables;           // all that were named, also where another one counts
  std::optional<std::string> jump;  // a chain of jump hosts; "none": there are none
  std::string fingerprint;          // "SHA256:…", the only host key to accept

  // "port", "2222": reads what the value names (password_env, password_file). Throws bad_target.
  void set(std::string_view name, const std::string& value);
  static bool is_name(std::string_view name);  // one that set() takes
  // Takes from `other` what is not said here.
  void complete_with(const host_attributes& other);

 private:
  void set_password(secret text, std::string from);
};

struct target {
  std::string host;      // a name or an address, IPv6 without its brackets
  host_attributes said;  // user and port may stand with the name
  std::string label;     // what stands in front of its output; set by label_targets

  // host:port, with brackets where they are needed.
  std::string address() const;
};

// The message names what was wrong, and where it stood.
class bad_target : public std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

// web1 · root@web1:2222 · 10.0.0.1 · ::1 · admin@[::1]:22
target parse_target(std::string_view text);

std::uint16_t parse_port(std::string_view digits, std::string_view where);  // throws bad_target

// Drops exact repetitions, then labels each with as much of host, port and user as tells it
// from the others. User and port must be set.
void label_targets(std::vector<target>& targets);

}  // namespace ssh_runner
