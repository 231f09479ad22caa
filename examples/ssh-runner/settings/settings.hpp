// What the command line, the environment and the files that they name ask for: one struct for each
// concern, and each part of the program gets the one that it needs.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hosts/secret.hpp"
#include "settings/usage_error.hpp"

namespace ssh_runner {

using duration = std::chrono::nanoseconds;

// Which hosts.
struct host_settings {
  std::vector<std::string> lists, files, excluded;
  std::string inventory;      // file; empty: none
  std::string ssh_config;     // file instead of the usual two; "none": none
  std::string user;           // where the host names none
  std::uint16_t port = 0;     // likewise; 0: the configuration's, or 22
  std::vector<std::string> jump;  // "user@host:port", in order; empty: as the configuration says
};

// What to show to get in. One for the hosts, one for the jump hosts.
struct login_settings {
  std::vector<std::string> key_files;
  std::optional<secret> key_text;
  std::optional<secret> passphrase;
  std::optional<secret> password;
  bool use_agent = true;
  bool identities_only = false;  // of the agent's keys only those that are named here, too
};

enum class host_key_check { yes, accept_new, no };

// Whether it is the right host.
struct host_key_settings {
  std::optional<host_key_check> check;      // not given: as the configuration says, or yes
  std::vector<std::string> known_hosts;     // files; empty: the usual ones
  std::string fingerprint;                  // "SHA256:…" instead of all that
  std::string jump_fingerprint;             // the same for jump hosts
};

// How to talk; each empty for libssh's choice.
struct algorithm_settings {
  std::string ciphers, key_exchange, macs;
  bool insecure = false;  // offer old ones, too
};

struct time_settings {
  std::optional<duration> connect;  // from the look-up to the login
  std::optional<duration> command;
  std::optional<duration> all;
};

struct script_settings {
  std::string text;
};

// How many at a time.
struct run_settings {
  std::size_t fanout = 100;
};

struct settings {
  host_settings hosts;
  login_settings login, jump_login;
  host_key_settings host_keys;
  algorithm_settings algorithms;
  time_settings times;
  script_settings script;
  run_settings run;
};

}  // namespace ssh_runner
