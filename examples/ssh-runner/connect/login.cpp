#include "connect/login.hpp"

#include <algorithm>
#include <array>
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

class login {
 public:
  login(session& s, const endpoint& to, agent& ssh_agent, attempt& a)
      : session_(s), with_(to.login), agent_(ssh_agent), attempt_(a) {}

  void run();

 private:
  enum class answer { in, refused, more };

  template <class Step>
  answer ask(Step step);
  bool try_keys();
  bool try_agent();
  bool try_password();
  bool try_questions();

  // Before the first answer the server has not said what it takes.
  bool allows(int method) const {
    const int taken = ssh_userauth_list(session_.get(), nullptr);
    return taken == 0 || (taken & method) != 0;
  }
  // True: in. What the server wants more of is tried by those that come after.
  bool note(answer got, const std::string& what) {
    if (got == answer::more) partly_ = true;
    if (got == answer::refused) tried_.append(tried_.empty() ? "" : ", ").append(what);
    return got == answer::in;
  }

  session& session_;
  const credentials& with_;
  agent& agent_;
  attempt& attempt_;
  std::string tried_;
  std::string agent_problem_;
  bool partly_ = false;  // something was accepted, but it is not enough
};

void login::run() {
  // Asking without any proof is how a client learns what the server takes; a key's refusal says it,
  // too.
  const auto whole = [](const shared_key& key) { return static_cast<bool>(key->key); };
  const auto ask_for_nothing = [this] { return ssh_userauth_none(session_.get(), nullptr); };
  if (std::ranges::none_of(with_.keys, whole) && ask(ask_for_nothing) == answer::in) return;
  if (try_keys() || try_agent() || try_password() || try_questions()) return;
  std::string why = partly_ ? "one proof is not enough for the server" : "refused";
  why += "; tried " + (tried_.empty() ? "nothing" : tried_) + "; the server takes " +
         methods(ssh_userauth_list(session_.get(), nullptr));
  if (!agent_problem_.empty()) why += "; " + agent_problem_;
  throw failure(verdict::not_connected, phase::login, why);
}

template <class Step>
login::answer login::ask(Step step) {
  switch (session_.until_done(attempt_, step, SSH_AUTH_AGAIN)) {
    case SSH_AUTH_SUCCESS: return answer::in;
    case SSH_AUTH_PARTIAL: return answer::more;
    case SSH_AUTH_ERROR: attempt_.fail(session_.error());
    default: return answer::refused;
  }
}

bool login::try_keys() {
  for (const shared_key& key : with_.keys) {
    if (!key->key || !allows(SSH_AUTH_METHOD_PUBLICKEY)) continue;
    const auto step = [&] {
      return ssh_userauth_publickey(session_.get(), nullptr, key->key.get());
    };
    const answer got = ask(step);
    if (note(got, "the " + fingerprint(key->key.get()))) return true;
    if (got == answer::more) return false;  // a second key is not what it wants
  }
  return false;
}

bool login::try_agent() {
  if (!with_.use_agent || partly_ || !allows(SSH_AUTH_METHOD_PUBLICKEY)) return false;
  attempt_.leave_handshake();  // an agent may take its time
  const auto keys = usable_identities(agent_.identities(), with_);
  agent_problem_ = agent_.problem();
  if (keys.empty()) return false;

  agent_relay relay(agent_, keys, attempt_);
  ssh_set_agent_socket(session_.get(), relay.release_socket());
  const auto step = [&] {
    const int rc = attempt_.limited([&](const weft::wait_limit&) {
      return weft::blocking([&] { return ssh_userauth_agent(session_.get(), nullptr); });
    });
    if (relay.late()) attempt_.fail_late("the agent does not sign");
    if (attempt_.ctx().err() != weft::context_error::none) attempt_.fail_stopped();
    return rc;
  };
  const int rc = session_.until_done(attempt_, step, SSH_AUTH_AGAIN);
  agent_problem_ = relay.problem();
  if (rc == SSH_AUTH_SUCCESS) return true;
  if (rc == SSH_AUTH_PARTIAL) {
    partly_ = true;
    return false;
  }
  if (rc == SSH_AUTH_ERROR && agent_problem_.empty()) attempt_.fail(session_.error());
  tried_.append(tried_.empty() ? "" : ", ")
      .append("the agent's " + std::to_string(keys.size()) + (keys.size() == 1 ? " key" : " keys"));
  return false;
}

bool login::try_password() {
  if (!with_.password || !allows(SSH_AUTH_METHOD_PASSWORD)) return false;
  const char* const password = with_.password->reveal().c_str();
  return note(ask([&] { return ssh_userauth_password(session_.get(), nullptr, password); }),
              "the password");
}

// Many servers ask for the password as a question of their own.
bool login::try_questions() {
  if (!with_.password || !allows(SSH_AUTH_METHOD_INTERACTIVE)) return false;
  for (;;) {
    const auto step = [this] { return ssh_userauth_kbdint(session_.get(), nullptr, nullptr); };
    const int rc = session_.until_done(attempt_, step, SSH_AUTH_AGAIN);
    if (rc == SSH_AUTH_ERROR) attempt_.fail(session_.error());
    if (rc != SSH_AUTH_INFO)
      return note(rc == SSH_AUTH_SUCCESS   ? answer::in
                  : rc == SSH_AUTH_PARTIAL ? answer::more
                                           : answer::refused,
                  "the password as an answer");
    const int questions = ssh_userauth_kbdint_getnprompts(session_.get());
    for (int i = 0; i < questions; ++i)
      ssh_userauth_kbdint_setanswer(session_.get(), static_cast<unsigned>(i),
                                    with_.password->reveal().c_str());
  }
}

}  // namespace

void log_in(session& s, const endpoint& to, agent& ssh_agent, attempt& a) {
  a.enter(phase::login);
  login(s, to, ssh_agent, a).run();
}

}  // namespace ssh_runner
