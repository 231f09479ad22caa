// What to log in with. Read once, used for every host.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "ssh_types.hpp"

namespace ssh_runner {

struct credentials {
  std::vector<key_ptr> keys;  // tried in this order; only read from, so sessions may share them
  std::optional<std::string> password;
};

// Throws std::runtime_error with a message that names the file.
key_ptr read_private_key(const std::filesystem::path& file,
                         const std::optional<std::string>& passphrase);

}  // namespace ssh_runner
