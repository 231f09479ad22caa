// A command that runs on a host, seen as channels.
//
// A goroutine of its own does all work on the session and offers what comes as channels: what the
// command writes, how it ended. Nobody else touches libssh. The channels have no buffer, so who
// does not receive makes it stop reading, the SSH window closes and the command waits.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <weft/weft.hpp>

#include "connect/session.hpp"

namespace ssh_runner {

struct command_end {
  std::optional<int> status;  // 128 + n when signal n ended it
  std::string signal;         // "TERM"
  std::string lost;           // why no more is known
};

class remote_command {
 public:
  // Starts a shell that reads all of `script` from its standard input and then runs it.
  // Throws failure.
  remote_command(std::unique_ptr<session> on, std::shared_ptr<const std::string> script,
                 attempt& a);
  remote_command(const remote_command&) = delete;
  remote_command& operator=(const remote_command&) = delete;
  ~remote_command();  // hangs up and waits for the goroutine

  // Pieces of output as they come. Closed at their ends.
  const weft::recv_chan<std::string>& out() const { return out_; }
  const weft::recv_chan<std::string>& err() const { return err_; }
  // The command's end, which may come before that of its output; closed after all else.
  const weft::recv_chan<command_end>& ended() const { return ended_; }

  // Asks the server to send a signal ("TERM"). Not every server does.
  void signal(const std::string& name);
  // Ends the connection. What the command still writes is lost.
  void hang_up();

 private:
  weft::recv_chan<std::string> out_, err_;
  weft::recv_chan<command_end> ended_;
  weft::chan<std::string> signals_{4};  // closed: hang up
  weft::join_handle<void> pump_;
};

}  // namespace ssh_runner
