// How it went on a host, the summary of all, and the exit status that follows from it.
#pragma once

#include <chrono>
#include <iosfwd>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace ssh_runner {

enum class phase { resolve, connect, handshake, host_key, login, start, command };

// From good to bad: the worst of all hosts decides the exit status.
enum class verdict { ok, command_failed, not_connected, timed_out, host_key_refused };

std::string_view to_string(phase);

// Thrown by whatever a host can fail in before its command runs.
class failure : public std::runtime_error {
 public:
  failure(verdict v, phase p, const std::string& cause)
      : std::runtime_error(cause), what_kind(v), where(p) {}

  verdict what_kind;
  phase where;
};

struct result {
  std::string label;
  verdict outcome = verdict::ok;
  phase where = phase::command;
  std::string cause;             // empty when all went well
  std::optional<int> exit_code;  // the remote command's; 128 + n when signal n ended it
  std::string note;              // worth a line though nothing failed

  void fail(verdict v, phase p, std::string why);
};

int exit_status(const std::vector<result>&);
void print_summary(std::ostream&, const std::vector<result>&, std::chrono::nanoseconds took);

}  // namespace ssh_runner
