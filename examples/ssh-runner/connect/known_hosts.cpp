#include "connect/known_hosts.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <set>
#include <sstream>

#include "hosts/host_pattern.hpp"
#include "text/lower.hpp"

namespace ssh_runner {
namespace {

std::vector<std::string> names_of(const std::string& hosts) {
  std::vector<std::string> names;
  std::istringstream list(hosts);
  for (std::string name; std::getline(list, name, ',');) names.push_back(lower(name));
  return names;
}

bool matches_list(const std::string& hosts, const std::string& name) {
  bool found = false;
  for (const std::string& pattern : names_of(hosts)) {
    const bool negated = pattern.starts_with('!');
    if (!matches_glob(std::string_view(pattern).substr(negated ? 1 : 0), name)) continue;
    if (negated) return false;
    found = true;
  }
  return found;
}

bool matches_hash(const std::string& hashed, const known_key& key, const std::string& name) {
  ssh_knownhosts_entry* entry = nullptr;
  const std::string line = hashed + ' ' + key.type + ' ' + key.text;
  if (ssh_known_hosts_parse_line(name.c_str(), line.c_str(), &entry) != SSH_OK) return false;
  ssh_knownhosts_entry_free(entry);
  return true;
}

bool same_key(const known_key& known, ssh_key shown) {
  ssh_key parsed = nullptr;
  if (ssh_pki_import_pubkey_base64(known.text.c_str(), ssh_key_type_from_name(known.type.c_str()),
                                   &parsed) != SSH_OK)
    return false;
  const key_ptr owner(parsed);
  return ssh_key_cmp(parsed, shown, SSH_KEY_CMP_PUBLIC) == 0;
}

}  // namespace

std::string fingerprint(ssh_key key) {
  unsigned char* hash = nullptr;
  std::size_t size = 0;
  if (ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &size) != 0)
    return "unreadable key";
  char* text = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, size);
  std::string result = ssh_key_type_to_char(ssh_key_type(key));
  result += std::string(" key ") + (text != nullptr ? text : "?");
  ssh_string_free_char(text);
  ssh_clean_pubkey_hash(&hash);
  return result;
}

key_state known_host::check(ssh_key shown) const {
  const auto same = [&](const known_key& k) { return same_key(k, shown); };
  const auto same_revoked = [&](const known_key& k) { return k.revoked && same(k); };
  const auto same_valid = [&](const known_key& k) { return !k.revoked && same(k); };
  if (std::ranges::any_of(keys, same_revoked) || std::ranges::any_of(without_port, same_revoked))
    return key_state::revoked;
  if (std::ranges::any_of(keys, same_valid)) return key_state::known;
  if (std::ranges::any_of(keys, [](const known_key& k) { return !k.revoked; }))
    return key_state::changed;
  return std::ranges::any_of(without_port, same_valid) ? key_state::known : key_state::unknown;
}

std::string known_host::algorithms() const {
  constexpr std::array<std::string_view, 6> all = {"ssh-ed25519",         "ecdsa-sha2-nistp256",
                                                   "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
                                                   "rsa-sha2-512",        "rsa-sha2-256"};
  std::set<std::string_view> types;
  for (const known_key& k : keys.empty() ? without_port : keys)
    if (!k.revoked) types.insert(k.type);
  const auto is_known = [&](std::string_view algorithm) {
    return types.contains(algorithm.starts_with("rsa-") ? "ssh-rsa" : algorithm);
  };
  std::string result;
  for (const bool known : {true, false})
    for (const std::string_view algorithm : all)
      if (is_known(algorithm) == known) result.append(result.empty() ? "" : ",").append(algorithm);
  return result;
}

void known_hosts::read(const std::filesystem::path& file) {
  std::ifstream lines(file);
  read(lines);
}

void known_hosts::read(std::istream& lines) {
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    entry e;
    if (!(words >> e.hosts) || e.hosts.starts_with('#')) continue;
    if (e.hosts.starts_with('@')) {
      if (e.hosts != "@revoked") continue;  // libssh knows no certificates of hosts
      e.key.revoked = true;
      words >> e.hosts;
    }
    if (!(words >> e.key.type >> e.key.text)) continue;
    const std::size_t index = entries_.size();
    if (e.hosts.find_first_of("*?!|") != std::string::npos) {
      to_compare_.push_back(index);
    } else {
      for (std::string& name : names_of(e.hosts)) by_name_.emplace(std::move(name), index);
    }
    entries_.push_back(std::move(e));
  }
}

known_host known_hosts::find(std::string_view host, std::uint16_t port) const {
  const std::string name = lower(host);
  if (port == 22) return {find_name(name), {}};
  return {find_name('[' + name + "]:" + std::to_string(port)), find_name(name)};
}

std::vector<known_key> known_hosts::find_name(const std::string& name) const {
  std::vector<known_key> found;
  const auto [first, last] = by_name_.equal_range(name);
  for (auto i = first; i != last; ++i) found.push_back(entries_[i->second].key);
  for (const std::size_t i : to_compare_) {
    const entry& e = entries_[i];
    if (e.hosts.starts_with('|') ? matches_hash(e.hosts, e.key, name) : matches_list(e.hosts, name))
      found.push_back(e.key);
  }
  return found;
}

}  // namespace ssh_runner
