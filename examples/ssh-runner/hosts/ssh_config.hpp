// What ~/.ssh/config says of a host: the options that matter here.
//
// Host, HostName, User, Port, IdentityFile, IdentitiesOnly, IdentityAgent, ProxyJump,
// UserKnownHostsFile, GlobalKnownHostsFile, StrictHostKeyChecking, HostKeyAlias, ConnectTimeout,
// ServerAliveInterval, ServerAliveCountMax, Include, and `Match all`. As in OpenSSH the first value
// wins. ProxyCommand is remembered, so that its host can be refused: without it the connection
// would go another way. Any other Match is skipped, and warnings() says so. The rest is ignored.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <istream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ssh_runner {

struct host_config {
  std::optional<std::string> host_name, user, proxy_jump, proxy_command, host_key_alias;
  std::optional<std::string> strict_host_key_checking, identity_agent;
  std::optional<std::uint16_t> port;
  std::vector<std::string> identity_files;  // "none" stops the defaults
  std::vector<std::string> known_hosts_files, global_known_hosts_files;
  std::optional<bool> identities_only;
  std::optional<std::chrono::seconds> connect_timeout, alive_interval;
  std::optional<int> alive_count;
};

// The message names the file and the line.
class bad_config : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

class ssh_config {
 public:
  // `home`: what ~ and %d stand for; `user`: what %u stands for.
  ssh_config(std::filesystem::path home, std::string user)
      : home_(std::move(home)), local_user_(std::move(user)) {}

  // A missing file is an empty one, unless it `must_be`. What is read first wins.
  void read(const std::filesystem::path& file, bool must_be = false);
  void read(std::istream& lines, const std::string& name);

  // What holds for a host as the user wrote it. ~, %h and the like are replaced; `user`, if any, is
  // the one that was given on the command line.
  host_config look_up(const std::string& host, const std::string& user = {}) const;

  // What was skipped, each with its file and line.
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  struct setting {
    std::string keyword;  // in small letters
    std::vector<std::string> values;
    std::string where;  // "config:12"
  };
  using patterns = std::vector<std::string>;
  struct block {
    std::vector<patterns> conditions;  // a host has to match all of them
    std::vector<setting> settings;
  };

  void read_line(const std::string& line, const std::string& where,
                 const std::filesystem::path& dir);
  void include(const std::string& pattern, const std::filesystem::path& dir);
  void begin(patterns of_host);
  static void apply(const setting& s, host_config& to);
  std::string expanded(const std::string& text, const std::string& host, const std::string& alias,
                       const std::string& user, std::uint16_t port) const;

  std::filesystem::path home_;
  std::string local_user_;
  std::vector<block> blocks_;
  std::vector<std::string> warnings_;
  std::vector<patterns> around_;  // what an included file's blocks have to match as well
};

}  // namespace ssh_runner
