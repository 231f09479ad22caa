// What goes through the connection to a jump host: any number of links, one for each who goes
// through it.
//
//   target's session <-> socket pair <-> two goroutines <-> the owner's inbox <-> libssh's channel
//
// Only the owner, who calls run(), touches libssh. It never waits for a link: a link has at most one
// piece on its way to the owner and gets leave for the next one when that has gone on; what comes
// for a link that does not take it stays in libssh, whose window then closes for that link only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <variant>
#include <weft/weft.hpp>

#include "connect/keep_alive.hpp"
#include "connect/session.hpp"

namespace ssh_runner {

struct open_answer {
  weft::file_descriptor socket;
  std::string problem;
  bool for_good = false;
};
struct open_request {
  std::string address;
  std::uint16_t port;
  weft::chan<void> asked;  // closed when the jump host is
  weft::chan<open_answer> reply;
};
struct bytes_out {
  std::uint64_t link;
  std::string bytes;  // empty: the end
};
struct room_for_more {
  std::uint64_t link;
};
struct jump_message {
  std::variant<open_request, bytes_out, room_for_more> what;
};

// Two may want to end it.
inline void close_quietly(const weft::chan<jump_message>& inbox) {
  try {
    inbox.close();
  } catch (const weft::closed_channel&) {
  }
}

class forwarding {
 public:
  forwarding(std::unique_ptr<session> on, keep_alive_rule rule, weft::chan<jump_message> inbox);
  forwarding(const forwarding&) = delete;
  forwarding& operator=(const forwarding&) = delete;
  ~forwarding();

  void run();  // until the inbox is closed or the connection is lost

 private:
  struct link;
  link* find(std::uint64_t id);
  void take(jump_message& message);
  void start(open_request&& request);
  void check_openings();
  void opened(link& l);
  void refuse(link& l, std::string why, bool for_good);
  void send_out(link& l);
  void pass_on(link& l);
  void drop(std::uint64_t id);
  bool pump();  // all that can be done without waiting; false: the connection is lost

  std::unique_ptr<session> session_;
  keep_alive alive_;
  event_ptr event_;
  weft::chan<jump_message> inbox_;
  std::unordered_map<std::uint64_t, std::unique_ptr<link>> links_;
  std::uint64_t next_ = 1;
  std::size_t opening_ = 0;
  weft::wait_group helpers_;
};

}  // namespace ssh_runner
