// An SSH server for ways in that the real one does not offer to every user. Prints its port and
// serves until it is killed; whatever it is to execute, it says "hello".
// usage: fake_server HOST_KEY password|questions|both|old|mute|closing
//   password, questions: the password, or the answer to both of two questions, is "secret"
//   both: any key and then the password      old: old algorithms only, any key
//   mute: no answer to a login
//   closing: it ends every connection at once, in good order
#include <libssh/libssh.h>
#include <libssh/server.h>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>

namespace {

std::string mode;

bool is_secret(const char* text) { return text != nullptr && std::strcmp(text, "secret") == 0; }

// One message of the login. True: in.
bool answer_login(ssh_session session, ssh_message m, bool& has_key) {
  const int method = ssh_message_subtype(m);
  if (mode == "mute") return false;
  if (method == SSH_AUTH_METHOD_PASSWORD && (mode == "password" || (mode == "both" && has_key)) &&
      is_secret(ssh_message_auth_password(m))) {
    ssh_message_auth_reply_success(m, 0);
    return true;
  }
  if (method == SSH_AUTH_METHOD_PUBLICKEY && (mode == "both" || mode == "old")) {
    if (ssh_message_auth_publickey_state(m) == SSH_PUBLICKEY_STATE_NONE) {
      ssh_message_auth_reply_pk_ok_simple(m);
      return false;
    }
    has_key = true;
    if (mode == "both") ssh_message_auth_set_methods(m, SSH_AUTH_METHOD_PASSWORD);
    ssh_message_auth_reply_success(m, mode == "both" ? 1 : 0);
    return mode == "old";
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

void say_hello(ssh_channel channel) {
  ssh_channel_write(channel, "hello\n", 6);
  ssh_channel_request_send_exit_status(channel, 0);
  ssh_channel_send_eof(channel);
  ssh_channel_close(channel);
}

void serve(ssh_session session) {
  bool in = false;
  bool has_key = false;
  ssh_channel channel = nullptr;
  if (ssh_handle_key_exchange(session) == SSH_OK) {
    while (ssh_message m = ssh_message_get(session)) {
      const int type = ssh_message_type(m);
      const int part = ssh_message_subtype(m);
      if (type == SSH_REQUEST_AUTH) {
        in = answer_login(session, m, has_key) || in;
      } else if (in && type == SSH_REQUEST_CHANNEL_OPEN && part == SSH_CHANNEL_SESSION) {
        channel = ssh_message_channel_request_open_reply_accept(m);
      } else if (channel != nullptr && type == SSH_REQUEST_CHANNEL &&
                 part == SSH_CHANNEL_REQUEST_EXEC) {
        ssh_message_channel_request_reply_success(m);
        say_hello(channel);
      } else {
        ssh_message_reply_default(m);
      }
      ssh_message_free(m);
    }
  }
  ssh_disconnect(session);
  ssh_free(session);
}

// Not before the client has: what it sent and nobody read would make an error of the end.
void end_in_good_order(int fd) {
  shutdown(fd, SHUT_WR);
  char buffer[4096];
  while (read(fd, buffer, sizeof buffer) > 0) {
  }
  close(fd);
}

int listen_on_loopback(int& port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(fd, 64) != 0) return -1;
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  port = ntohs(address.sin_port);
  return fd;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 64;
  mode = argv[2];
  std::signal(SIGPIPE, SIG_IGN);
  ssh_init();
  ssh_bind binding = ssh_bind_new();
  ssh_bind_options_set(binding, SSH_BIND_OPTIONS_HOSTKEY, argv[1]);
  if (mode == "old") {
    ssh_bind_options_set(binding, SSH_BIND_OPTIONS_CIPHERS_C_S, "aes256-cbc");
    ssh_bind_options_set(binding, SSH_BIND_OPTIONS_CIPHERS_S_C, "aes256-cbc");
    ssh_bind_options_set(binding, SSH_BIND_OPTIONS_KEY_EXCHANGE, "diffie-hellman-group14-sha1");
    ssh_bind_options_set(binding, SSH_BIND_OPTIONS_HMAC_C_S, "hmac-sha1");
    ssh_bind_options_set(binding, SSH_BIND_OPTIONS_HMAC_S_C, "hmac-sha1");
  }
  int port = 0;
  const int listener = listen_on_loopback(port);
  if (listener < 0) return 1;
  std::printf("%d\n", port);
  std::fflush(stdout);
  for (;;) {
    const int fd = accept(listener, nullptr, nullptr);
    if (fd >= 0 && mode == "closing") {
      end_in_good_order(fd);
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
