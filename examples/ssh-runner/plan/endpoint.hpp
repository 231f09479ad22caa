// A machine to log in to, with all that is needed for it: a host, or a jump host on the way.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "connect/keep_alive.hpp"
#include "connect/keys.hpp"
#include "connect/known_hosts.hpp"
#include "settings/settings.hpp"

namespace ssh_runner {

// What to show. Shared by all hosts for which it is the same.
struct credentials {
  std::vector<shared_key> keys;  // tried in this order
  std::optional<secret> password;
  bool use_agent = true;
  bool identities_only = false;
};

// What to ask of its key.
struct host_key_rule {
  host_key_check check = host_key_check::yes;
  std::string name;         // in known_hosts
  std::uint16_t port = 22;  // likewise: an alias has none, which is 22
  std::string fingerprint;  // "SHA256:…": this key and no other, known_hosts does not matter
  std::shared_ptr<const known_hosts> known;
  std::string new_keys_go_to;  // the file for accept-new; empty: none
};

struct endpoint {
  std::string name;     // as the user wrote it
  std::string address;  // what to look up
  std::uint16_t port = 22;
  ip_family family = ip_family::any;
  algorithm_settings algorithms;
  std::string user;
  credentials login;
  host_key_rule host_key;
  duration connect_timeout{};
  keep_alive_rule keep_alive;
  std::shared_ptr<const endpoint> via;  // the jump host that leads to it, null: none

  std::string described() const;  // "deploy@web1:22", through its jump hosts
};

}  // namespace ssh_runner
