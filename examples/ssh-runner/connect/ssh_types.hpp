// libssh's objects, owned.
#pragma once

#include <libssh/libssh.h>

#include <memory>
#include <string>

namespace ssh_runner {

struct key_deleter {
  void operator()(ssh_key key) const { ssh_key_free(key); }
};
struct event_deleter {
  void operator()(ssh_event event) const { ssh_event_free(event); }
};
struct session_deleter {
  // Closes the socket, which became libssh's with the first ssh_connect. An ordinary
  // ssh_disconnect would leave it open, or not, when libssh closed it after an error.
  void operator()(ssh_session session) const {
    ssh_silent_disconnect(session);
    ssh_free(session);
  }
};

using key_ptr = std::unique_ptr<std::remove_pointer_t<ssh_key>, key_deleter>;
using event_ptr = std::unique_ptr<std::remove_pointer_t<ssh_event>, event_deleter>;
using session_ptr = std::unique_ptr<std::remove_pointer_t<ssh_session>, session_deleter>;

// "ED25519 key SHA256:…"
std::string fingerprint(ssh_key key);

}  // namespace ssh_runner
