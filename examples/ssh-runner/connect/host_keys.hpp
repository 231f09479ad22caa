// Whether a host is the one that it should be.
#pragma once

#include <string>
#include <weft/weft.hpp>

#include "connect/session.hpp"
#include "plan/endpoint.hpp"

namespace ssh_runner {

// Shared by all hosts. It remembers the keys that it accepted as new.
class host_key_checker {
 public:
  // What to ask the server for: the types of the keys that are known, first.
  std::string types(const endpoint& to);

  // Throws failure, with the fingerprint of the key and of those that it should be.
  void check(session& s, const endpoint& to, attempt& a);

 private:
  known_host find(const endpoint& to);
  void accept(const endpoint& to, ssh_key key, attempt& a);

  weft::mutex mutex_;
  known_hosts added_;  // in this run
};

}  // namespace ssh_runner
