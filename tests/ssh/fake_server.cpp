// An SSH server for ways in that the real one does not offer to every user, and for what can go
// wrong. Prints its port and serves until it is killed; whatever it is to execute, it greets as the
// ssh-runner's script would and says "hello".
// usage: fake_server HOST_KEY MODE
//   password, questions: the password, or the answer to both of two questions, is "secret"
//   both: any key and then the password
//   closing: it ends every connection at once, in good order
//   web: it speaks another protocol
//   mute, rude: no answer to a login, the end of the connection instead of one
// In the others any key is right:
//   old: old algorithms only          narrow: one algorithm of each kind
//   no-session, no-command: refused   (a terminal always is)
//   leaving, deaf: after the login the connection ends, nothing is answered
//   crowded:N: it lets nobody in before more than N are through with their handshake, or 150 ms have
//     passed; whenever more of them are there than ever before, it prints how many
#include <libssh/libssh.h>
#include <libssh/server.h>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace {

std::string mode;
int limit = 0;  // of "crowded"

bool takes_any_key() {
  for (const char* name :
       {"old", "narrow", "no-session", "no-command", "leaving", "deaf", "crowded"})
    if (mode == name) return true;
  return false;
}

// Connections between their handshake and their login.
class crowd {
 public:
  void enter() {
    const std::lock_guard lock(mutex_);
    if (++now_ > most_) {
      most_ = now_;
      std::printf("%d\n", most_);
      std::fflush(stdout);
    }
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::milliseconds(150), [this] { return now_ > limit; });
  }
  void leave() {
    const std::lock_guard lock(mutex_);
    --now_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int now_ = 0;
  int most_ = 0;
};
crowd waiting;

bool is_secret(const char* text) { return text != nullptr && std::strcmp(text, "secret") == 0; }

// One message of the login. True: in.
bool answer_login(ssh_session session, ssh_message m, bool& has_key) {
  const int method = ssh_message_subtype(m);
  if (mode == "mute" || mode == "rude") return false;
  if (method == SSH_AUTH_METHOD_PASSWORD && (mode == "password" || (mode == "both" && has_key)) &&
      is_secret(ssh_message_auth_password(m))) {
    ssh_message_auth_reply_success(m, 0);
    return true;
  }
  if (method == SSH_AUTH_METHOD_PUBLICKEY && (mode == "both" || takes_any_key())) {
    if (ssh_message_auth_publickey_state(m) == SSH_PUBLICKEY_STATE_NONE) {
      ssh_message_auth_reply_pk_ok_simple(m);
      return false;
    }
    has_key = true;
    if (mode == "crowded") {
      waiting.wait();
      waiting.leave();  // first: the answer makes room for the next
    }
    if (mode == "both") ssh_message_auth_set_methods(m, SSH_AUTH_METHOD_PASSWORD);
    ssh_message_auth_reply_success(m, mode == "both" ? 1 : 0);
    return mode != "both";
  }
  if (method == SSH_AUTH_METHOD_INTERACTIVE && mode == "questions") {
    if (ssh_message_auth_kbdint_is_response(m) == 0) {
      const char* prompts[] = {"Password: ", "And once more: "};
      char echo[] = {0, 0};
      ssh_message_auth_interactive_request(m, "login", "", 2, prompts, echo);
      return false;
    }
    if (is_secret(ssh_userauth_kbdint_getanswer(session, 0)) &&
        is_secret(ssh_userauth_kbdint_getanswer(session, 1))) {
      ssh_message_auth_reply_success(m, 0);
      return true;
    }
  }
  ssh_message_auth_set_methods(m, mode == "password"    ? SSH_AUTH_METHOD_PASSWORD
                                  : mode == "questions" ? SSH_AUTH_METHOD_INTERACTIVE
                                                        : SSH_AUTH_METHOD_PUBLICKEY);
  ssh_message_reply_default(m);
  return false;
}

// The greeting begins as the command says it shall: "…ssh-runner:NONCE %s".
void say_hello(ssh_channel channel, std::string_view command) {
  const auto mark = command.find("ssh-runner:");
  if (mark != command.npos) {
    const std::string_view name = command.substr(mark, command.find(' ', mark) - mark);
    const std::string greeting = '\036' + std::string(name) + " 0\n";
    ssh_channel_write_stderr(channel, greeting.data(), static_cast<uint32_t>(greeting.size()));
  }
  ssh_channel_write(channel, "hello\n", 6);
  ssh_channel_request_send_exit_status(channel, 0);
  ssh_channel_send_eof(channel);
  ssh_channel_close(channel);
}

// Not before the client has ended its side: what it sent and nobody read would make an error of it.
void end_in_good_order(int fd) {
  shutdown(fd, SHUT_WR);
  char buffer[4096];
  while (read(fd, buffer, sizeof buffer) > 0) {
  }
}

void serve_messages(ssh_session session) {
  bool in = false;
  bool has_key = false;
  ssh_channel channel = nullptr;
  while (ssh_message m = ssh_message_get(session)) {
    const int type = ssh_message_type(m);
    const int part = ssh_message_subtype(m);
    if (type == SSH_REQUEST_AUTH) {
      if (mode == "rude") return end_in_good_order(ssh_get_fd(session));
      in = answer_login(session, m, has_key) || in;
      if (in && mode == "leaving") return end_in_good_order(ssh_get_fd(session));
    } else if (in && mode == "deaf") {
      // no answer
    } else if (in && type == SSH_REQUEST_CHANNEL_OPEN && part == SSH_CHANNEL_SESSION &&
               mode != "no-session") {
      channel = ssh_message_channel_request_open_reply_accept(m);
    } else if (channel != nullptr && type == SSH_REQUEST_CHANNEL &&
               part == SSH_CHANNEL_REQUEST_EXEC && mode != "no-command") {
      ssh_message_channel_request_reply_success(m);
      say_hello(channel, ssh_message_channel_request_command(m));
    } else {
      ssh_message_reply_default(m);
    }
    ssh_message_free(m);
  }
}

void serve(ssh_session session) {
  if (ssh_handle_key_exchange(session) == SSH_OK) {
    if (mode == "crowded") waiting.enter();
    serve_messages(session);
  }
  ssh_disconnect(session);
  ssh_free(session);
}

void speak_something_else(int fd) {
  constexpr std::string_view answer = "HTTP/1.1 400 Bad Request\r\n\r\n";
  if (write(fd, answer.data(), answer.size()) > 0) end_in_good_order(fd);
}

int listen_on_loopback(int& port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(fd, 512) != 0) return -1;
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  port = ntohs(address.sin_port);
  return fd;
}

// These algorithms and no others.
void offer(ssh_bind binding, const char* cipher, const char* exchange, const char* mac) {
  ssh_bind_options_set(binding, SSH_BIND_OPTIONS_CIPHERS_C_S, cipher);
  ssh_bind_options_set(binding, SSH_BIND_OPTIONS_CIPHERS_S_C, cipher);
  ssh_bind_options_set(binding, SSH_BIND_OPTIONS_KEY_EXCHANGE, exchange);
  ssh_bind_options_set(binding, SSH_BIND_OPTIONS_HMAC_C_S, mac);
  ssh_bind_options_set(binding, SSH_BIND_OPTIONS_HMAC_S_C, mac);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 64;
  mode = argv[2];
  if (const auto colon = mode.find(':'); colon != mode.npos) {
    limit = std::atoi(mode.c_str() + colon + 1);
    mode.resize(colon);
  }
  std::signal(SIGPIPE, SIG_IGN);
  ssh_init();
  ssh_bind binding = ssh_bind_new();
  ssh_bind_options_set(binding, SSH_BIND_OPTIONS_HOSTKEY, argv[1]);
  if (mode == "old") offer(binding, "aes256-cbc", "diffie-hellman-group14-sha1", "hmac-sha1");
  if (mode == "narrow") offer(binding, "aes256-ctr", "ecdh-sha2-nistp256", "hmac-sha2-512");
  int port = 0;
  const int listener = listen_on_loopback(port);
  if (listener < 0) return 1;
  std::printf("%d\n", port);
  std::fflush(stdout);
  for (;;) {
    const int fd = accept(listener, nullptr, nullptr);
    if (fd >= 0 && (mode == "closing" || mode == "web")) {
      mode == "web" ? speak_something_else(fd) : end_in_good_order(fd);
      close(fd);
      continue;
    }
    ssh_session session = ssh_new();
    if (fd < 0 || session == nullptr) return 1;
    if (ssh_bind_accept_fd(binding, session, fd) != SSH_OK) {
      ssh_free(session);
      continue;
    }
    std::thread(serve, session).detach();
  }
}
