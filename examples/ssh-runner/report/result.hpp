// How it went on a host.
#pragma once

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace ssh_runner {

// How far a host has come; where it failed, if it did.
enum class phase {
  waiting,  // for its turn
  resolve,  // its name
  connect,  // TCP, or a channel of its jump host
  handshake,
  host_key,
  login,
  start,  // of the command
  command,
  signal,    // ended the command
  time_out,  // of the command
  done
};

// From good to bad: the worst of all hosts decides the exit status.
enum class verdict {
  ok,
  not_run,  // its turn did not come
  stopped,  // ended because the run was
  command_failed,
  not_connected,
  timed_out,
  host_key_refused
};

std::string_view to_string(phase);
std::string_view to_string(verdict);

// Thrown by whatever a host can fail in before its command runs.
class failure : public std::runtime_error {
 public:
  failure(verdict v, phase p, const std::string& cause)
      : std::runtime_error(cause), what_kind(v), where(p) {}

  // The same for a host that is behind the jump host which failed so.
  failure behind(const std::string& jump_host) const {
    failure f(what_kind, phase::connect,
              "jump host " + jump_host + ": " + std::string(to_string(where)) + ": " + what());
    f.final_ = !may_pass_there();
    return f;
  }
  // The same where it would end so again.
  failure for_good() const {
    failure f = *this;
    f.final_ = true;
    return f;
  }

  // Whether trying again may help: not when the other side has said no, nor for good. Whatever is in doubt
  // may pass.
  bool may_pass() const {
    return (what_kind == verdict::not_connected || what_kind == verdict::timed_out) &&
           where < phase::login && !final_;
  }

  // The same for a jump host, where a login that took too long stands for all hosts behind it.
  bool may_pass_there() const {
    return may_pass() || (what_kind == verdict::timed_out && where == phase::login && !final_);
  }

  verdict what_kind;
  phase where;

 private:
  bool final_ = false;
};

struct result {
  std::string label;
  verdict outcome = verdict::not_run;
  phase where = phase::waiting;
  std::string cause;             // empty when all went well
  std::optional<int> exit_code;  // the remote command's; 128 + n when signal n ended it
  std::string signal;            // "TERM"
  std::string note;              // worth a line though nothing failed
  std::string unkept;            // why some of its output is not where it was to be kept
  int attempts = 0;              // to connect
  std::chrono::nanoseconds connecting{}, running{};

  void fail(verdict v, phase p, std::string why);
};

}  // namespace ssh_runner
