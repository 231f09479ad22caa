// The keys that known hosts have shown before, from OpenSSH's known_hosts files.
//
// libssh can do this, but reads the whole file again for every host. Here it is read once and
// looked up by name; hashed names and patterns are compared one by one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "connect/ssh_types.hpp"

namespace ssh_runner {

struct known_key {
  std::string type;  // "ssh-ed25519"
  std::string text;  // base64
  bool revoked = false;
};

enum class key_state { known, unknown, changed, revoked };

// What is known of one host.
struct known_host {
  std::vector<known_key> keys;
  std::vector<known_key> without_port;  // of the same host at port 22: they may only match

  key_state check(ssh_key shown) const;
  // The algorithms to ask the server for, those with a known key first: else it would show a key
  // of another type than the one that is known.
  std::string algorithms() const;
};

class known_hosts {
 public:
  // A missing file is an empty one. Safe to use from several goroutines once all is read.
  void read(const std::filesystem::path& file);
  void read(std::istream& lines);
  known_host find(std::string_view host, std::uint16_t port) const;

 private:
  struct entry {
    std::string hosts;
    known_key key;
  };
  std::vector<known_key> find_name(const std::string& name) const;

  std::vector<entry> entries_;
  std::unordered_multimap<std::string, std::size_t> by_name_;
  std::vector<std::size_t> to_compare_;  // entries with a hashed name or a pattern
};

}  // namespace ssh_runner
