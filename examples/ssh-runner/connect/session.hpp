// An SSH connection.
#pragma once

#include <string>
#include <utility>
#include <weft/weft.hpp>

#include "connect/attempt.hpp"
#include "connect/ssh_types.hpp"
#include "plan/endpoint.hpp"

namespace ssh_runner {

// libssh in non-blocking mode. One goroutine at a time may use a session; libssh keeps no state
// in the thread, so the goroutine may move between threads while it waits. Every call runs until
// it is done or would block, then wait() parks the goroutine until the socket is ready.
class session {
 public:
  // Sends our greeting. `host_key_types`: the algorithms to ask the server for. Throws failure.
  session(weft::file_descriptor socket, const endpoint& to, const std::string& host_key_types,
          attempt& a);

  // Waits until the server has said anything at all: before that there is nothing to compute. Our own
  // greeting goes out meanwhile.
  void await_greeting(attempt& a);
  void handshake(attempt& a);

  // Calls step until it returns something else than `again`, waiting in between.
  template <class Step>
  int until_done(attempt& a, Step step, int again = SSH_AGAIN) {
    for (;;) {
      forget_errno();
      const int rc = step();
      if (rc != again) return rc;
      wait(a);
    }
  }

  ssh_session get() const { return session_.get(); }
  std::string error() const;
  // Whether the last error was that the server does not want what it was asked for; what it says of a
  // channel that it does not open.
  bool refused() const { return ssh_get_error_code(session_.get()) == SSH_REQUEST_DENIED; }
  std::string refusal() const;
  // Of a channel: whether it never opens such a one.
  bool forbids() const { return error().find("error (1)") != std::string::npos; }
  // To be called before libssh reads: what it says of a connection that ends is errno, which no
  // failure has set then.
  static void forget_errno() noexcept;
  // libssh's own number for the socket: -1 once it has closed it.
  int fd() const { return ssh_get_fd(session_.get()); }
  // To be asked again after every call: it may have left something to write.
  bool wants_write() const { return (ssh_get_poll_flags(session_.get()) & SSH_WRITE_PENDING) != 0; }

 private:
  bool wait(attempt& a);  // as attempt::wait
  int connect_further();
  [[noreturn]] void give_up(const attempt& a) const;

  session_ptr session_;
  std::string mismatch_;  // of the algorithms
};

// What is wrong with the lists of algorithms; empty: nothing.
std::string check_algorithms(const algorithm_settings&);

}  // namespace ssh_runner
