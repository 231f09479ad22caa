#include "report/advice.hpp"

namespace ssh_runner {
namespace {

bool says(const result& r, std::string_view words) {
  return r.cause.find(words) != std::string::npos;
}

std::string for_login(const result& r) {
  if (says(r, "Too many authentication failures"))
    return "name the key with --key, and with --identities-only no other of the agent's is tried";
  if (says(r, "agent ")) return "see what `ssh-add -l` says, or name a key with --key";
  if (says(r, "tried nothing")) return "give a key with --key, a password, or start an agent";
  return "is it the right user (--user) and key (--key)? Is the key in the host's authorized_keys?";
}

std::string for_host_key(const result& r) {
  if (says(r, "unknown"))
    return "compare the fingerprint with the host's own, then use --host-key-check accept-new or "
           "--fingerprint";
  if (says(r, "changed"))
    return "if the host was set up anew, remove its old key with `ssh-keygen -R`; if not, do not log "
           "in";
  if (says(r, "fingerprint"))
    return "a host has a key of each type, with a fingerprint of its own: see `ssh-keyscan HOST | "
           "ssh-keygen -lf -`";
  return {};
}

}  // namespace

std::string advice_for(const result& r) {
  if (r.outcome == verdict::stopped) return {};
  const bool late = r.outcome == verdict::timed_out;
  switch (r.where) {
    case phase::resolve:
      return late ? "the name server does not answer" : "is the name right? Give an address instead";
    case phase::connect:
      if (r.cause.starts_with("jump host "))
        return "try the jump host as a host of its own (--host)";
      if (says(r, "refused")) return "is an SSH server running there, on that port (--port)?";
      return late ? "is the host up? Does a firewall swallow the packets?" : "";
    case phase::handshake:
      if (says(r, "no match") || says(r, "kex"))
        return "the server knows older algorithms only: --insecure-algorithms offers them";
      if (says(r, "closed the connection"))
        return "does it refuse this address, or so many at once (its MaxStartups)?";
      return late ? "something accepts connections there and says nothing: is it an SSH server?" : "";
    case phase::host_key: return for_host_key(r);
    case phase::login: return late ? "" : for_login(r);
    case phase::start: return "is the user's shell a usual one? May the user start commands?";
    case phase::time_out: return "--command-timeout says how long it may take";
    default: return {};
  }
}

}  // namespace ssh_runner
