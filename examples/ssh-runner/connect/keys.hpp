// Private keys, each read and decrypted once for all hosts.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "connect/ssh_types.hpp"
#include "hosts/secret.hpp"

namespace ssh_runner {

// Only read from, so sessions may share it.
struct private_key {
  std::string name;     // the file, or where else it came from
  key_ptr key;          // null: it could not be read
  key_ptr public_part;  // also of a key that is locked, if NAME.pub is there
  std::string problem;  // why it could not be read; empty when there is no such file
};

using shared_key = std::shared_ptr<const private_key>;

// One for hosts and jump hosts: what one of them has decrypted the other need not. Only a key that could
// not be read is tried again, with another passphrase.
class key_ring {
 public:
  using passphrase = std::optional<secret>;

  // The same key for the same file. It never throws: what is wrong stands in the key.
  shared_key load(const std::filesystem::path& file, const passphrase& with);
  // The key itself. `name` is for messages.
  shared_key parse(const secret& text, const passphrase& with, const std::string& name);

 private:
  // A file's path or a text, and what came of it.
  struct entry {
    secret source;
    std::vector<std::pair<passphrase, shared_key>> tried;
  };
  template <class Read>
  shared_key find_or(const secret& source, const passphrase& with, Read read);

  std::vector<entry> entries_;
};

// A key that was pasted into a variable: line ends that became "\n", blanks or CR LF come back.
std::string mended_key_text(std::string_view text);

}  // namespace ssh_runner
