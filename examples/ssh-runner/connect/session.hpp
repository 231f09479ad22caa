// An SSH connection up to the point where a command can be started.
#pragma once

#include <string>
#include <string_view>
#include <weft/weft.hpp>

#include "connect/known_hosts.hpp"
#include "connect/ssh_types.hpp"
#include "plan/endpoint.hpp"
#include "run/result.hpp"

namespace ssh_runner {

// libssh in non-blocking mode. One goroutine at a time may use a session; libssh keeps no state
// in the thread, so the goroutine may move between threads while it waits. Every call runs until
// it is done or would block, then wait() parks the goroutine until the socket is ready.
class session {
 public:
  // Sends our greeting. `host`: what known_hosts has on it.
  session(weft::file_descriptor socket, const endpoint& to, const known_host& host);

  // These throw failure. The first waits until the server has said anything at all: before that
  // there is nothing to compute.
  void await_greeting(weft::clock::time_point deadline);
  void handshake(weft::clock::time_point deadline);
  void check_host_key(const known_host& host) const;
  void login(const credentials& with, weft::clock::time_point deadline);

  // Calls step until it returns something else than `again`.
  template <class Step>
  int until_done(Step step, phase where, weft::clock::time_point deadline, int again = SSH_AGAIN) {
    for (;;) {
      const int rc = step();
      if (rc != again) return rc;
      wait(where, deadline);
    }
  }

  ssh_session get() const { return session_.get(); }
  std::string error() const { return ssh_get_error(session_.get()); }
  // libssh's own number for the socket: -1 once it has closed it.
  int fd() const { return ssh_get_fd(session_.get()); }
  // To be asked again after every call: it may have left something to write.
  bool wants_write() const { return (ssh_get_poll_flags(session_.get()) & SSH_WRITE_PENDING) != 0; }

 private:
  void wait(phase where, weft::clock::time_point deadline);
  int keyboard_interactive(const std::string& password, weft::clock::time_point deadline);

  session_ptr session_;
};

}  // namespace ssh_runner
