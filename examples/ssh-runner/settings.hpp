// What the command line asks for.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "credentials.hpp"
#include "known_hosts.hpp"
#include "target.hpp"

namespace ssh_runner {

struct settings {
  std::vector<target> targets;
  std::shared_ptr<const std::string> script;
  credentials login;
  known_hosts hosts;
  bool check_host_keys = true;
  std::chrono::nanoseconds timeout = std::chrono::seconds(15);  // until the command is started
  std::optional<std::chrono::nanoseconds> command_timeout;
  std::size_t fanout = 100;
};

// Bad usage: the message names the option or the host. Exit status 2.
class usage_error : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Reads the files that it names. nullopt: it asked for help, which is printed. Throws usage_error.
std::optional<settings> read_command_line(int argc, char** argv);

// "10", "1.5s", "500ms", "2m", "1h"; nullopt: none of these.
std::optional<std::chrono::nanoseconds> parse_duration(const std::string& text);

}  // namespace ssh_runner
