// A command that runs on a host, seen as channels. Whoever makes one starts a goroutine behind it.
//
// The channels for output have no buffer, so who does not receive makes the goroutine stop reading,
// and in the end the command waits.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <weft/weft.hpp>

namespace ssh_runner {

struct command_end {
  std::optional<int> status;  // 128 + n when signal n ended it
  std::string signal;         // "TERM"
  std::string lost;           // why no more is known
  std::string problem;        // why it could not begin
};

class running_command {
 public:
  // Closed once the script has begun, before the output is. Never: something else was run.
  weft::recv_chan<void> begun;
  // Pieces of output as they come. Closed at their ends.
  weft::recv_chan<std::string> out, err;
  // The command's end, which may come before that of its output; closed after all else.
  weft::recv_chan<command_end> ended;

  running_command() = default;
  running_command(const running_command&) = delete;
  running_command& operator=(const running_command&) = delete;
  ~running_command() {
    const weft::exit_guard finish;  // the goroutine ends soon, and this must not throw
    hang_up();
    behind_.wait();
  }

  // Asks for a signal to the command and its children: "TERM", "KILL".
  void signal(const std::string& name) { orders_.try_send(name); }
  // Gives it up. What it still writes is lost.
  void hang_up() {
    if (!orders_.closed()) orders_.close();
  }

  // For those who make one. Orders are names of signals; closed: hang up.
  weft::recv_chan<std::string> orders() const { return orders_; }
  template <class F>
  void run_behind(F f) {
    behind_ = weft::spawn(std::move(f));
  }

 private:
  weft::chan<std::string> orders_{4};
  weft::join_handle<void> behind_;
};

}  // namespace ssh_runner
