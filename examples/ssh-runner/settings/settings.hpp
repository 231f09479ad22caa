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

enum class ip_family { any, v4, v6 };

// Which hosts.
struct host_settings {
  std::vector<std::string> lists, files, excluded;
  std::string inventory;   // file; empty: none
  std::string ssh_config;  // file instead of the usual two; "none": none
  std::string user;        // where the host names none
  std::uint16_t port = 0;  // likewise; 0: the configuration's, or 22
  ip_family family = ip_family::any;
  std::optional<ip_family> jump_family;  // not given: the same
  // "user@host:port", in order; empty: none. Not given: as the configuration says.
  std::optional<std::vector<std::string>> jump;
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
  std::optional<host_key_check> check;   // not given: as the configuration says, or yes
  std::vector<std::string> known_hosts;  // files; empty: the usual ones
  std::string fingerprint;               // "SHA256:…" instead of all that
  std::string jump_fingerprint;          // the same for jump hosts
};

// How to talk; each empty for libssh's choice.
struct algorithm_settings {
  std::string ciphers, key_exchange, macs;
  bool insecure = false;  // offer old ones, too
};

// Longer than any run, and short enough to be added to the time of day.
constexpr duration no_limit = std::chrono::hours(24 * 365 * 30);

struct time_settings {
  std::optional<duration> connect;  // from the look-up to the login
  std::optional<duration> command;
  std::optional<duration> all;
  duration kill_after = std::chrono::seconds(2);  // between TERM and KILL
  std::optional<duration> keep_alive;             // after so long without a word
};

// What to run, and how.
struct script_settings {
  std::string text;
  bool from_standard_input = false;
  std::string shell = "sh";  // with its options, such as "bash -l"
  bool stop_on_error = false;
  std::vector<std::pair<std::string, std::string>> variables;
  std::vector<std::pair<std::string, std::string>> matching;  // a pattern; the others count more
  std::string variable_format = "export {NAME}={VALUE}";
  bool request_pty = false;
  bool sudo = false;
  std::string sudo_user;
  std::optional<secret> sudo_password;
};

enum class transport_kind { ssh, local };

// How many at a time, and when not to go on.
struct run_settings {
  transport_kind transport = transport_kind::ssh;
  bool dry_run = false;
  std::size_t fanout = 100;
  bool fail_fast = false;                   // the first failure ends all others
  std::optional<std::size_t> max_failures;  // then no further host is begun
  int retries = 0;                          // of connecting
  duration retry_delay = std::chrono::seconds(1);
  bool wait_for_output = false;  // of children that outlive the command
};

struct prefix_settings {
  std::string format = "{label}: ";  // empty: none
  bool colour_stdout = false, colour_stderr = false;
};

// Where output goes and how it looks.
struct output_settings {
  prefix_settings prefix;
  bool live = false;  // beside what folds
  bool fold = false;
  bool diff = false;
  bool json = false;
  std::string dir;  // empty: none
  bool quiet = false;
  bool debug = false;
  bool progress = false;
};

// What is said and left behind in the end.
struct ending_settings {
  std::string failed_file;  // empty: none
  bool highest_status = false;
};

struct settings {
  host_settings hosts;
  login_settings login, jump_login;
  host_key_settings host_keys;
  algorithm_settings algorithms;
  std::optional<algorithm_settings> jump_algorithms;  // not given: the same
  time_settings times;
  script_settings script;
  run_settings run;
  output_settings output;
  ending_settings ending;
};

}  // namespace ssh_runner
