#include "connect/keys.hpp"

#include <algorithm>
#include <system_error>

namespace ssh_runner {
namespace {

const char* text_of(const std::optional<secret>& passphrase) {
  return passphrase ? passphrase->reveal().c_str() : nullptr;
}

std::string why_unreadable(bool had_passphrase) {
  return had_passphrase ? "not a private key, or the passphrase is wrong"
                        : "not a private key, or one with a passphrase: give that in "
                          "SSH_RUNNER_PASSPHRASE or with --ask-passphrase";
}

key_ptr public_part_of(ssh_key key) {
  ssh_key result = nullptr;
  if (ssh_pki_export_privkey_to_pubkey(key, &result) != SSH_OK) return nullptr;
  return key_ptr(result);
}

void replace_all(std::string& text, std::string_view what, std::string_view with) {
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size())
    text.replace(at, what.size(), with);
}

}  // namespace

template <class Read>
shared_key key_ring::find_or(const secret& source, const passphrase& with, Read read) {
  auto e = std::ranges::find(entries_, source, &entry::source);
  if (e == entries_.end()) e = entries_.insert(e, entry{source, {}});
  for (const auto& [tried_with, key] : e->tried)
    if (key->key) return key;
  for (const auto& [tried_with, key] : e->tried)
    if (tried_with == with) return key;
  return e->tried.emplace_back(with, read()).second;
}

shared_key key_ring::load(const std::filesystem::path& file, const passphrase& with) {
  std::error_code none;
  // Links are followed: what is behind "link/.." is not known from the name.
  std::filesystem::path place = std::filesystem::weakly_canonical(file, none);
  if (place.empty()) place = file;
  return find_or(secret(place.string()), with, [&]() -> shared_key {
    auto result = std::make_shared<private_key>();
    result->name = file.string();
    ssh_key read = nullptr;
    const int rc =
        ssh_pki_import_privkey_file(file.c_str(), text_of(with), nullptr, nullptr, &read);
    result->key.reset(read);
    if (rc == SSH_OK) {
      result->public_part = public_part_of(read);
    } else if (rc != SSH_EOF || std::filesystem::exists(file, none)) {
      result->problem = rc == SSH_EOF ? "it cannot be opened" : why_unreadable(with.has_value());
      ssh_key part = nullptr;
      if (ssh_pki_import_pubkey_file((file.string() + ".pub").c_str(), &part) == SSH_OK)
        result->public_part.reset(part);
    }
    return result;
  });
}

shared_key key_ring::parse(const secret& text, const passphrase& with, const std::string& name) {
  return find_or(text, with, [&]() -> shared_key {
    auto result = std::make_shared<private_key>();
    result->name = name;
    const secret mended(mended_key_text(text.reveal()));
    ssh_key read = nullptr;
    if (ssh_pki_import_privkey_base64(mended.reveal().c_str(), text_of(with), nullptr, nullptr,
                                      &read) == SSH_OK) {
      result->key.reset(read);
      result->public_part = public_part_of(read);
    } else {
      result->problem = why_unreadable(with.has_value());
    }
    return result;
  });
}

std::string mended_key_text(std::string_view text) {
  std::string result(text);
  replace_all(result, "\r", "");
  replace_all(result, "\\n", "\n");
  const auto first = result.find("-----BEGIN ");
  if (first == std::string::npos) return result;
  result.erase(0, first);
  if (result.find('\n') == std::string::npos) {
    // All on one line: the blanks outside the two marks are where the lines ended.
    const auto head = result.find("-----", 5);
    const auto foot = result.find("-----END ");
    if (head == std::string::npos || foot == std::string::npos) return result;
    std::string body = result.substr(head + 5, foot - head - 5);
    replace_all(body, " ", "\n");
    result = result.substr(0, head + 5) + body + result.substr(foot);
  }
  if (!result.ends_with('\n')) result += '\n';
  return result;
}

}  // namespace ssh_runner
