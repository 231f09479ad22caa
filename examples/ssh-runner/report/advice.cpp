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
  if (says(r, "closed the connection") || says(r, "reset"))
    return "the server's log may say why; perhaps it had enough of wrong keys (--identities-only)";
  if (says(r, "tried nothing")) return "give a key with --key, a password, or start an agent";
  return "is it the right user (--user) and key (--key)? Is the key in the host's authorized_keys?";
}

std::string for_host_key(const result& r) {
  if (says(r, "unknown"))
    return "compare the fingerprint with the host's own, then use --host-key-check accept-new or "
           "--fingerprint";
  if (says(r, "changed"))
    return "if the host was set up anew, remove its old key with `ssh-keygen -R`; if not, do not "
           "log "
           "in";
  if (says(r, "fingerprint"))
    return "a host has a key of each type, with a fingerprint of its own: see `ssh-keyscan HOST | "
           "ssh-keygen -lf -`";
  if (says(r, "cannot be kept"))
    return "the first file of --known-hosts must be one that can be written";
  return "do not log in, unless the line of known_hosts (--known-hosts) is wrong";
}

std::string for_start(const result& r) {
  if (says(r, "refuses a session"))
    return "may the user only forward connections there (MaxSessions 0, restrict)?";
  if (says(r, "refuses a terminal"))
    return "are terminals forbidden there (PermitTTY, no-pty in authorized_keys)? Do without "
           "--request-pty";
  if (says(r, "refuses to run")) return "may the user start commands there?";
  if (says(r, "closed the connection") || says(r, "reset"))
    return "the server's log may say why: is the account locked or expired, or logged in too "
           "often?";
  if (says(r, "sudo wants")) return "give it with --ask-sudo-password or --sudo-password-file";
  if (says(r, "sudo does not accept")) return "sudo wants the password of the user who logs in";
  if (says(r, "exit status 127"))
    return "is the shell (--shell) there, and sudo if it was asked for?";
  if (says(r, "did not begin"))
    return "may the user start commands, by sudo if it was asked for, or does the server run "
           "something "
           "else (a shell such as nologin, ForceCommand, command= in authorized_keys)?";
  return "is the user's shell a usual one? May the user start commands?";
}

std::string for_command(const result& r) {
  if (says(r, "connection lost")) return "did the host go down? Its command may still run";
  if (r.exit_code == 126)
    return "something it calls cannot be executed: its mode, or the interpreter that it names";
  if (r.exit_code == 127)
    return "something it calls is not there, or not in the PATH of a shell without a login: try "
           "--shell "
           "'sh -l'";
  return "its output says more, if it wrote any; --failed-file notes such hosts for another run";
}

std::string for_signal(const result& r) {
  if (r.signal == "KILL") return "it may have been the kernel, for want of memory: see dmesg there";
  for (const char* crash : {"ABRT", "BUS", "FPE", "ILL", "SEGV", "SYS", "TRAP"})
    if (r.signal == crash) return "a program has crashed: see the log there, or coredumpctl";
  return "somebody has ended it there, or the script has done it itself; the host's log may say "
         "more";
}

}  // namespace

std::string advice_for(const result& r) {
  if (r.outcome == verdict::stopped)
    return says(r, "may still run") ? "look for it there"
                                    : "--failed-file notes such hosts for another run";
  if (says(r, "the run took")) return "--timeout says how long all of it may take";
  const bool late = r.outcome == verdict::timed_out;
  switch (r.where) {
    case phase::resolve:
      return late ? "the name server does not answer"
                  : "is the name right? Give an address instead";
    case phase::connect:
      if (r.cause.starts_with("jump host "))
        return "try the jump host as a host of its own (--host)";
      if (says(r, "refused")) return "is an SSH server running there, on that port (--port)?";
      if (says(r, "unreachable") || says(r, "No route"))
        return "is there a way to that network from here? With another kind of address (-4, -6)?";
      return late ? "is the host up? Does a firewall swallow the packets?"
                  : "does `ssh -v` get there from here? If something between ends connections, "
                    "--retries";
    case phase::handshake:
      if (says(r, "no match") || says(r, "kex"))
        return "the server knows older algorithms only: --insecure-algorithms offers them";
      if (says(r, "closed the connection"))
        return "is it an SSH server? Does it refuse this address, or so many at once "
               "(MaxStartups)?";
      return late ? "something accepts connections there and says nothing: is it an SSH server?"
                  : "is it an SSH server, and on that port (--port)?";
    case phase::host_key: return for_host_key(r);
    case phase::login:
      if (late && says(r, "agent "))
        return "does it wait for somebody to confirm, or for a device to be touched? Is it alive "
               "(`ssh-add -T` a public key)?";
      return late
                 ? "the server does not decide: does it wait for a service of its own, such as DNS "
                   "or a directory of users?"
                 : for_login(r);
    case phase::start:
      return late ? "it lets the user in and does nothing more: its log may say why" : for_start(r);
    case phase::command: return for_command(r);
    case phase::signal: return for_signal(r);
    case phase::time_out: return "--command-timeout says how long it may take";
    default: return "see --debug and `ssh -v`";
  }
}

}  // namespace ssh_runner
