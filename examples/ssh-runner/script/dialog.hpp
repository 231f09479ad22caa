// What goes on between us and a command before its script runs: who it is, whether sudo wants a
// password, when the script may be sent.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "script/launch.hpp"

namespace ssh_runner {

class dialog {
 public:
  explicit dialog(launch what);
  dialog(const dialog&) = delete;  // it refers to parts of itself
  dialog& operator=(const dialog&) = delete;

  // Whether the greeting comes on stdout; else on stderr.
  bool is_on_stdout() const { return launch_.pty; }
  bool has_greeted() const { return greeted_; }

  // Takes what came on that stream and appends what is the script's own to `to`.
  void read(std::string_view bytes, std::string& to);
  // At the end of that stream.
  void finish(std::string& to) { to.append(held_), held_.clear(); }

  // What may be sent now; some of it was.
  std::string_view to_send() const;
  void sent(std::size_t bytes);
  // All is sent, and the command may be told so: on a terminal it cannot.
  bool at_end() const { return may_send_ && piece_ == pieces_.size() && password_.empty(); }
  bool closes_input() const { return !launch_.pty; }

  std::optional<int> pid() const { return pid_; }
  const std::string& problem() const { return problem_; }  // then it is to be ended

 private:
  void skip_line_end();
  bool take_ours();  // the line of ours that held_ begins with; false: more is needed
  void ask_password();

  launch launch_;
  std::array<std::string_view, 3> pieces_;
  std::size_t piece_ = 0;
  bool may_send_;
  bool greeted_ = false;
  bool asked_ = false;    // for the password, once
  bool skip_line_end_ = false;  // that sudo writes after it, on a terminal
  std::string password_;  // to be sent, with its end of line
  std::string held_;      // may be the beginning of a line of ours
  std::optional<int> pid_;
  std::string problem_;
};

}  // namespace ssh_runner
