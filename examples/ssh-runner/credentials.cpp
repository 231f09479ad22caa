#include "credentials.hpp"

#include <stdexcept>

namespace ssh_runner {

key_ptr read_private_key(const std::filesystem::path& file,
                         const std::optional<std::string>& passphrase) {
  ssh_key key = nullptr;
  const int rc = ssh_pki_import_privkey_file(
      file.c_str(), passphrase ? passphrase->c_str() : nullptr, nullptr, nullptr, &key);
  if (rc == SSH_OK) return key_ptr(key);
  if (rc == SSH_EOF) throw std::runtime_error(file.string() + ": cannot be opened");
  throw std::runtime_error(
      file.string() + (passphrase
                           ? ": not a private key, or SSH_RUNNER_PASSPHRASE is not its passphrase"
                           : ": not a private key, or one with a passphrase: put that into "
                             "SSH_RUNNER_PASSPHRASE"));
}

}  // namespace ssh_runner
