#include "connect/host_keys.hpp"

#include <fcntl.h>

#include <fstream>
#include <mutex>
#include <sstream>

namespace ssh_runner {
namespace {

// Those that were known, for the message about another one.
std::string fingerprints(const std::vector<known_key>& keys) {
  std::string text;
  for (const known_key& k : keys) {
    ssh_key parsed = nullptr;
    if (k.revoked || ssh_pki_import_pubkey_base64(
                         k.text.c_str(), ssh_key_type_from_name(k.type.c_str()), &parsed) != SSH_OK)
      continue;
    const key_ptr owner(parsed);
    text.append(text.empty() ? "" : ", ").append(fingerprint(parsed));
  }
  return text;
}

std::string hash_of(ssh_key key) {
  const std::string text = fingerprint(key);
  return text.substr(text.find("SHA256:"));
}

// Or is empty, or not there.
bool ends_in_a_line(const std::string& file) {
  std::ifstream in(file, std::ios::binary | std::ios::ate);
  if (!in || in.tellg() == std::streampos(0)) return true;
  in.seekg(-1, std::ios::end);
  return in.get() == '\n';
}

// "ssh-ed25519 AAAA…"
std::string public_text(ssh_key key) {
  char* base64 = nullptr;
  if (ssh_pki_export_pubkey_base64(key, &base64) != SSH_OK) return {};
  std::string text = std::string(ssh_key_type_to_char(ssh_key_type(key))) + ' ' + base64;
  ssh_string_free_char(base64);
  return text;
}

}  // namespace

known_host host_key_checker::find(const endpoint& to) {
  known_host result;
  if (!to.host_key.known) return result;
  result = to.host_key.known->find(to.host_key.name, to.host_key.port);
  if (result.keys.empty() && result.without_port.empty() &&
      to.host_key.check == host_key_check::accept_new) {
    const std::lock_guard lock(mutex_);
    result = added_.find(to.host_key.name, to.host_key.port);
  }
  return result;
}

std::string host_key_checker::types(const endpoint& to) { return find(to).algorithms(); }

void host_key_checker::check(session& s, const endpoint& to, attempt& a) {
  const host_key_rule& rule = to.host_key;
  if (rule.check == host_key_check::no && rule.fingerprint.empty()) return;
  a.enter(phase::host_key);
  const auto refuse = [](const std::string& why) {
    throw failure(verdict::host_key_refused, phase::host_key, why);
  };
  ssh_key raw = nullptr;
  if (ssh_get_server_publickey(s.get(), &raw) != SSH_OK) refuse(s.error());
  const key_ptr shown(raw);
  if (!rule.fingerprint.empty()) {
    if (hash_of(raw) != rule.fingerprint)
      refuse("the fingerprint should be " + rule.fingerprint + ", it shows the " +
             fingerprint(raw));
    return;
  }
  const known_host known = find(to);
  switch (known.check(raw)) {
    case key_state::known: return;
    case key_state::unknown:
      if (rule.check == host_key_check::accept_new) return accept(to, raw, a);
      return refuse("unknown: known_hosts has no key of this host, it shows the " +
                    fingerprint(raw));
    case key_state::changed:
      return refuse("changed: known_hosts has the " + fingerprints(known.keys) + ", it shows the " +
                    fingerprint(raw) + " (another machine, or somebody in between)");
    case key_state::revoked: return refuse("revoked: known_hosts forbids the " + fingerprint(raw));
  }
}

// The first one that comes decides; two at once would be two machines.
void host_key_checker::accept(const endpoint& to, ssh_key key, attempt& a) {
  std::string host = to.host_key.name;
  if (to.host_key.port != 22) host = '[' + host + "]:" + std::to_string(to.host_key.port);
  const std::string line = host + ' ' + public_text(key) + '\n';

  const std::lock_guard lock(mutex_);
  const known_host since = added_.find(to.host_key.name, to.host_key.port);
  if (since.check(key) == key_state::known) return;
  if (since.check(key) == key_state::changed)
    throw failure(verdict::host_key_refused, phase::host_key,
                  "changed: a moment ago it had the " + fingerprints(since.keys) +
                      ", it shows the " + fingerprint(key));
  std::istringstream text(line);
  added_.read(text);
  if (to.host_key.new_keys_go_to.empty()) return;
  try {
    auto file = weft::file_descriptor::open(to.host_key.new_keys_go_to,
                                            O_WRONLY | O_APPEND | O_CREAT, 0600);
    file.write(ends_in_a_line(to.host_key.new_keys_go_to) ? line : '\n' + line,
               weft::wait_limit(a.ctx()));
  } catch (const std::system_error& error) {
    throw failure(verdict::host_key_refused, phase::host_key,
                  "its key is new and cannot be kept: " + to.host_key.new_keys_go_to + ": " +
                      error.code().message());
  }
}

}  // namespace ssh_runner
