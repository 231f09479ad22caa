#include "connect/session.hpp"

#include <libssh/callbacks.h>

#include <cerrno>
#include <new>

namespace ssh_runner {
namespace {

// What libssh knows beyond what it offers by itself: for servers that know nothing better.
constexpr const char* old_ciphers = ",aes256-cbc,aes192-cbc,aes128-cbc,3des-cbc";
constexpr const char* old_exchanges =
    ",diffie-hellman-group14-sha1,diffie-hellman-group-exchange-sha1,diffie-hellman-group1-sha1";
constexpr const char* old_macs = ",hmac-sha1-etm@openssh.com,hmac-sha1";
constexpr const char* usual_ciphers =
    "chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,aes128-gcm@openssh.com,aes256-ctr,"
    "aes192-ctr,aes128-ctr";
constexpr const char* usual_exchanges =
    "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,"
    "ecdh-sha2-nistp521,diffie-hellman-group18-sha512,diffie-hellman-group16-sha512,"
    "diffie-hellman-group-exchange-sha256,diffie-hellman-group14-sha256";
constexpr const char* usual_macs =
    "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256,hmac-sha2-512";

std::string list(const std::string& asked, bool insecure, const char* usual, const char* old) {
  if (!insecure) return asked;
  return (asked.empty() ? std::string(usual) : asked) + old;
}

// Empty, or which option libssh does not take.
std::string set_algorithms(ssh_session s, const algorithm_settings& a) {
  const auto set = [s](const std::string& value, auto... options) {
    return value.empty() || ((ssh_options_set(s, options, value.c_str()) == SSH_OK) && ...);
  };
  if (!set(list(a.ciphers, a.insecure, usual_ciphers, old_ciphers), SSH_OPTIONS_CIPHERS_C_S,
           SSH_OPTIONS_CIPHERS_S_C))
    return "--ciphers";
  if (!set(list(a.key_exchange, a.insecure, usual_exchanges, old_exchanges),
           SSH_OPTIONS_KEY_EXCHANGE))
    return "--kex";
  if (!set(list(a.macs, a.insecure, usual_macs, old_macs), SSH_OPTIONS_HMAC_C_S,
           SSH_OPTIONS_HMAC_S_C))
    return "--macs";
  return {};
}

// When two sides have no algorithm in common, libssh closes the socket, and may go on to write to it:
// then its error says only that this failed. What came first is in its log, whose callback and
// level belong to the thread.
class mismatch_log {
 public:
  explicit mismatch_log(std::string& mismatch) {
    ssh_set_log_userdata(&mismatch);
    ssh_set_log_callback(keep);
    ssh_set_log_level(SSH_LOG_WARN);
  }
  mismatch_log(const mismatch_log&) = delete;
  mismatch_log& operator=(const mismatch_log&) = delete;
  ~mismatch_log() { ssh_set_log_level(SSH_LOG_NONE); }

 private:
  static void keep(int, const char*, const char* text, void* mismatch) noexcept {
    const std::string_view line(text);
    const auto begin = line.find("kex error");
    if (begin != line.npos) *static_cast<std::string*>(mismatch) = line.substr(begin);
  }
};

}  // namespace

// By a call that is not inlined: the compiler may keep errno's address across a wait, after which
// the goroutine can be on another thread.
[[gnu::noinline]] void session::forget_errno() noexcept { errno = 0; }

std::string session::error() const {
  if (!mismatch_.empty()) return mismatch_;
  // Its messages begin with where they come from: "Socket error: Connection reset by peer".
  const std::string text = ssh_get_error(get());
  constexpr std::string_view origin = "Socket error: ";
  const std::string cause = text.starts_with(origin) ? text.substr(origin.size()) : text;
  return cause == "disconnected" ? "the server closed the connection" : cause;
}

// "Channel opening failure: channel 3 error (2) Connection refused", perhaps without the words.
std::string session::refusal() const {
  const std::string text = error();
  const auto at = text.find("error (");
  const auto end = at == std::string::npos ? at : text.find(") ", at);
  if (end != std::string::npos && end + 2 < text.size()) return text.substr(end + 2);
  return text.empty() ? "it gives no reason" : text;
}

// What the two sides know will be no more next time.
void session::give_up(const attempt& a) const {
  if (mismatch_.find("no match") != std::string::npos) a.fail_for_good(mismatch_);
  a.fail(error());
}

int session::connect_further() {
  const mismatch_log log(mismatch_);
  forget_errno();
  return ssh_connect(get());
}

std::string check_algorithms(const algorithm_settings& a) {
  const session_ptr s(ssh_new());
  if (!s) throw std::bad_alloc();
  const std::string option = set_algorithms(s.get(), a);
  if (option.empty()) return {};
  return option + ": libssh knows none of these: " +
         (option == "--ciphers" ? a.ciphers
          : option == "--kex"   ? a.key_exchange
                                : a.macs);
}

session::session(weft::file_descriptor socket, const endpoint& to,
                 const std::string& host_key_types, attempt& a)
    : session_(ssh_new()) {
  if (!session_) throw std::bad_alloc();
  ssh_session const s = session_.get();
  const algorithm_settings& algorithms = to.algorithms;
  ssh_set_blocking(s, 0);
  const int off = 0;
  const int on = 1;
  ssh_options_set(s, SSH_OPTIONS_PROCESS_CONFIG, &off);
  ssh_options_set(s, SSH_OPTIONS_NODELAY, &on);
  ssh_options_set(s, SSH_OPTIONS_USER, to.user.c_str());
  ssh_options_set(s, SSH_OPTIONS_HOSTKEYS,
                  (algorithms.insecure ? host_key_types + ",ssh-rsa" : host_key_types).c_str());
  if (algorithms.insecure)
    ssh_options_set(s, SSH_OPTIONS_PUBLICKEY_ACCEPTED_TYPES,
                    "ssh-ed25519,ecdsa-sha2-nistp521,ecdsa-sha2-nistp384,ecdsa-sha2-nistp256,"
                    "rsa-sha2-512,rsa-sha2-256,ssh-rsa");
  set_algorithms(s, algorithms);
  // No files of libssh's own choice. The host's name is not set, or it would read known_hosts.
  ssh_options_set(s, SSH_OPTIONS_SSH_DIR, "/dev/null");

  // From here on libssh owns the socket: it closes it after an error, and with the session
  // in any case. A second owner would close a number that is another host's by then.
  const int fd = socket.release();
  ssh_options_set(s, SSH_OPTIONS_FD, &fd);
  a.enter(phase::handshake);
  if (connect_further() == SSH_ERROR) give_up(a);
}

void session::await_greeting(attempt& a) {
  // The second call may find the greeting there. More than the next message after it is not taken by one
  // call, so the handshake is not over behind our back.
  while (ssh_get_serverbanner(get()) == nullptr) {
    bool greeted = false;
    const auto on_greeting = [&] { greeted = true; };
    const auto nothing = [] {};
    if (wants_write())
      a.wait(weft::on_readable(fd(), on_greeting), weft::on_writable(fd(), nothing));
    else
      a.wait(weft::on_readable(fd(), on_greeting));
    if (greeted) return;
    if (wants_write() && connect_further() == SSH_ERROR) a.fail(error());
  }
}

void session::handshake(attempt& a) {
  a.enter(phase::handshake);
  if (until_done(a, [this] { return connect_further(); }) != SSH_OK) give_up(a);
}

bool session::wait(attempt& a) {
  const auto nothing = [] {};
  if (wants_write())
    return a.wait(weft::on_readable(fd(), nothing), weft::on_writable(fd(), nothing));
  return a.wait(weft::on_readable(fd(), nothing));
}

}  // namespace ssh_runner
