#include "connect/session.hpp"

#include <algorithm>
#include <array>
#include <new>
#include <utility>

namespace ssh_runner {
namespace {

std::string methods(int list) {
  constexpr std::array<std::pair<int, const char*>, 5> names = {
      {{SSH_AUTH_METHOD_PUBLICKEY, "publickey"},
       {SSH_AUTH_METHOD_PASSWORD, "password"},
       {SSH_AUTH_METHOD_INTERACTIVE, "keyboard-interactive"},
       {SSH_AUTH_METHOD_HOSTBASED, "hostbased"},
       {SSH_AUTH_METHOD_GSSAPI_MIC, "gssapi"}}};
  std::string text;
  for (const auto& [bit, name] : names)
    if ((list & bit) != 0) text.append(text.empty() ? "" : ", ").append(name);
  return text.empty() ? "nothing" : text;
}

}  // namespace

session::session(weft::file_descriptor socket, const endpoint& to, const known_host& host)
    : session_(ssh_new()) {
  if (!session_) throw std::bad_alloc();
  ssh_session const s = session_.get();
  ssh_set_blocking(s, 0);
  const int off = 0;
  const int on = 1;
  ssh_options_set(s, SSH_OPTIONS_PROCESS_CONFIG, &off);
  ssh_options_set(s, SSH_OPTIONS_NODELAY, &on);
  ssh_options_set(s, SSH_OPTIONS_USER, to.user.c_str());
  const std::string algorithms = host.algorithms();
  ssh_options_set(s, SSH_OPTIONS_HOSTKEYS, algorithms.c_str());
  // No files of libssh's own choice. The host's name is not set, or it would read known_hosts.
  ssh_options_set(s, SSH_OPTIONS_SSH_DIR, "/dev/null");

  // From ssh_connect on libssh owns the socket: it closes it after an error, and with the session
  // in any case. A second owner would close a number that is another host's by then.
  const int fd = socket.release();
  ssh_options_set(s, SSH_OPTIONS_FD, &fd);
  if (ssh_connect(s) == SSH_ERROR) throw failure(verdict::not_connected, phase::handshake, error());
}

void session::await_greeting(weft::clock::time_point deadline) { wait(phase::handshake, deadline); }

void session::handshake(weft::clock::time_point deadline) {
  if (until_done([this] { return ssh_connect(get()); }, phase::handshake, deadline) != SSH_OK)
    throw failure(verdict::not_connected, phase::handshake, error());
}

void session::check_host_key(const known_host& host) const {
  ssh_key raw = nullptr;
  if (ssh_get_server_publickey(get(), &raw) != SSH_OK)
    throw failure(verdict::host_key_refused, phase::host_key, error());
  const key_ptr shown(raw);
  switch (host.check(raw)) {
    case key_state::known: return;
    case key_state::unknown:
      throw failure(
          verdict::host_key_refused, phase::host_key,
          "unknown: known_hosts has no key of this host, it shows the " + fingerprint(raw));
    case key_state::changed:
      throw failure(verdict::host_key_refused, phase::host_key,
                    "changed: not the key in known_hosts, it shows the " + fingerprint(raw) +
                        " (another machine, or somebody in between)");
    case key_state::revoked:
      throw failure(verdict::host_key_refused, phase::host_key,
                    "revoked: known_hosts forbids the " + fingerprint(raw));
  }
}

void session::login(const credentials& with, weft::clock::time_point deadline) {
  const auto accepted = [&](auto step) {
    const int rc = until_done(step, phase::login, deadline, SSH_AUTH_AGAIN);
    if (rc == SSH_AUTH_ERROR) throw failure(verdict::not_connected, phase::login, error());
    return rc == SSH_AUTH_SUCCESS;
  };
  std::string tried;
  const auto note = [&](const std::string& what) {
    tried.append(tried.empty() ? "" : ", ").append(what);
  };

  for (const shared_key& key : with.keys) {
    if (!key->key) continue;
    if (accepted([&] { return ssh_userauth_publickey(get(), nullptr, key->key.get()); })) return;
    note("the " + fingerprint(key->key.get()));
  }
  // Asking without any proof is how a client learns what the server takes.
  if (with.keys.empty() && accepted([&] { return ssh_userauth_none(get(), nullptr); })) return;

  const auto allows = [this](int method) {
    return (ssh_userauth_list(get(), nullptr) & method) != 0;
  };
  if (with.password && allows(SSH_AUTH_METHOD_PASSWORD)) {
    const char* const password = with.password->reveal().c_str();
    if (accepted([&] { return ssh_userauth_password(get(), nullptr, password); })) return;
    note("the password");
  }
  if (with.password && allows(SSH_AUTH_METHOD_INTERACTIVE)) {
    if (keyboard_interactive(with.password->reveal(), deadline) == SSH_AUTH_SUCCESS) return;
    note("the password as an answer");
  }
  throw failure(verdict::not_connected, phase::login,
                "refused; tried " + (tried.empty() ? "nothing" : tried) + "; the server takes " +
                    methods(ssh_userauth_list(get(), nullptr)));
}

// Many servers ask for the password as a question of their own.
int session::keyboard_interactive(const std::string& password, weft::clock::time_point deadline) {
  for (;;) {
    const int rc = until_done([&] { return ssh_userauth_kbdint(get(), nullptr, nullptr); },
                              phase::login, deadline, SSH_AUTH_AGAIN);
    if (rc != SSH_AUTH_INFO) return rc;
    const int prompts = ssh_userauth_kbdint_getnprompts(get());
    for (int i = 0; i < prompts; ++i)
      ssh_userauth_kbdint_setanswer(get(), static_cast<unsigned>(i), password.c_str());
  }
}

void session::wait(phase where, weft::clock::time_point deadline) {
  const auto nothing = [] {};
  bool late = false;
  const auto on_late = [&] { late = true; };
  if (wants_write()) {
    weft::select(weft::on_readable(fd(), nothing), weft::on_writable(fd(), nothing),
                 weft::on_timeout(deadline, on_late));
  } else {
    weft::select(weft::on_readable(fd(), nothing), weft::on_timeout(deadline, on_late));
  }
  if (late || weft::clock::now() >= deadline) throw failure(verdict::timed_out, where, "time-out");
}

}  // namespace ssh_runner
