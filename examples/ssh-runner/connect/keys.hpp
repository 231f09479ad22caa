// Private keys, each read and decrypted once for all hosts.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "connect/ssh_types.hpp"
#include "hosts/secret.hpp"

namespace ssh_runner {

// Only read from, so sessions may share it.
struct private_key {
  std::string name;      // the file, or where else it came from
  key_ptr key;           // null: it could not be read
  key_ptr public_part;   // also of a key that is locked, if NAME.pub is there
  std::string problem;   // why it could not be read; empty when there is no such file
};

using shared_key = std::shared_ptr<const private_key>;

class key_ring {
 public:
  explicit key_ring(std::optional<secret> passphrase) : passphrase_(std::move(passphrase)) {}

  // The same key for the same file. It never throws: what is wrong stands in the key.
  shared_key load(const std::filesystem::path& file);
  // The key itself. `name` is for messages.
  shared_key parse(const secret& text, const std::string& name) const;

 private:
  std::optional<secret> passphrase_;
  std::map<std::filesystem::path, shared_key> loaded_;
};

// A key that was pasted into a variable: line ends that became "\n", blanks or CR LF come back.
std::string mended_key_text(std::string_view text);

}  // namespace ssh_runner
