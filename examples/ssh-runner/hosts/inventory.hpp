// Groups of hosts and what is to be known of each, from a YAML file.
//
//   groups:
//     web: web[01-20]                                  # the hosts, and no more
//     db: {hosts: "db[1-2],!db1", user: postgres, jump: bastion}
//     all: "@web,@db"
//   hosts:
//     web03: {port: 2222, password_env: WEB03_PASSWORD}
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "hosts/target.hpp"

namespace ssh_runner {

struct host_group {
  std::string hosts;  // a list as --host takes it
  host_attributes attributes;
};

struct inventory {
  std::map<std::string, host_group> groups;
  std::map<std::string, host_attributes> hosts;
};

// Throws bad_target with the file and the line.
inventory read_inventory(const std::filesystem::path& file);
inventory parse_inventory(const std::string& yaml, const std::string& name);

}  // namespace ssh_runner
