// Jump hosts: one connection to each, for all who go through it.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <weft/weft.hpp>

#include "connect/attempt.hpp"
#include "plan/endpoint.hpp"

namespace ssh_runner {

class connector;
class session;
struct jump_message;

// A connection to a jump host and what goes through it. One goroutine owns its libssh session;
// whoever wants something of it sends a message.
class jump_connection {
 public:
  jump_connection(std::unique_ptr<session> on, keep_alive_rule rule);
  jump_connection(const jump_connection&) = delete;
  jump_connection& operator=(const jump_connection&) = delete;
  ~jump_connection();  // closes it, and waits for its goroutines

  // What is written to the result comes out at address:port, as seen from there. Throws failure.
  weft::file_descriptor open(const std::string& address, std::uint16_t port, attempt& a);
  bool lost() const { return ended_.closed(); }

 private:
  weft::chan<jump_message> inbox_;
  weft::chan<void> ended_;  // closed when the connection is
  weft::join_handle<void> owner_;
};

// All of them. The first who needs one makes it, in a goroutine of its own: when that one gives up,
// the others go on waiting for it. One that was lost, or failed in a way that may pass, is made anew by the next
// who needs it.
class jump_pool {
 public:
  jump_pool(connector& with, fair_clock& clock, const weft::context& ctx)
      : with_(with), clock_(clock) {
    std::tie(ctx_, give_up_) = weft::with_cancel(ctx);
  }
  jump_pool(const jump_pool&) = delete;
  jump_pool& operator=(const jump_pool&) = delete;
  ~jump_pool();  // gives up what is being connected: nobody is left who waits for it

  weft::file_descriptor open(const endpoint& via, const std::string& address, std::uint16_t port,
                             attempt& a);

 private:
  struct entry {
    weft::chan<void> ready;  // closed when one of these is there
    std::shared_ptr<jump_connection> connection;
    std::optional<failure> failed;
  };
  std::shared_ptr<entry> find_or_make(const endpoint& via);
  void make(const endpoint& via, entry& e);

  connector& with_;
  fair_clock& clock_;
  weft::context ctx_;
  weft::cancel_function give_up_;
  weft::mutex mutex_;
  std::map<const endpoint*, std::shared_ptr<entry>> entries_;  // guarded by mutex_
  weft::wait_group making_;
};

}  // namespace ssh_runner
