#include "run/result.hpp"

#include <algorithm>
#include <array>
#include <ostream>

#include "settings/duration.hpp"

namespace ssh_runner {

std::string_view to_string(phase p) {
  constexpr std::array<std::string_view, 7> names = {"resolve", "connect", "handshake", "host key",
                                                     "login",   "start",   "command"};
  return names.at(static_cast<std::size_t>(p));
}

void result::fail(verdict v, phase p, std::string why) {
  outcome = v;
  where = p;
  cause = std::move(why);
}

int exit_status(const std::vector<result>& results) {
  verdict worst = verdict::ok;
  for (const result& r : results) worst = std::max(worst, r.outcome);
  switch (worst) {
    case verdict::ok: return 0;
    case verdict::command_failed: return 1;
    case verdict::not_connected: return 3;
    case verdict::timed_out: return 4;
    case verdict::host_key_refused: return 5;
  }
  return 70;
}

void print_summary(std::ostream& out, const std::vector<result>& results,
                   std::chrono::nanoseconds took) {
  constexpr std::array<std::string_view, 5> words = {"ok", "with a failed command", "not connected",
                                                     "timed out", "with a refused host key"};
  std::array<int, words.size()> counts{};
  for (const result& r : results) ++counts.at(static_cast<std::size_t>(r.outcome));

  out << "ssh-runner: " << results.size() << (results.size() == 1 ? " host in " : " hosts in ")
      << in_seconds(took);
  std::string_view separator = ": ";
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (counts[i] == 0) continue;
    out << separator << counts[i] << ' ' << words[i];
    separator = ", ";
  }
  out << '\n';
  for (const result& r : results) {
    if (r.outcome != verdict::ok)
      out << "ssh-runner: " << r.label << ": " << to_string(r.where) << ": " << r.cause << '\n';
    if (!r.note.empty()) out << "ssh-runner: " << r.label << ": " << r.note << '\n';
  }
  out.flush();
}

}  // namespace ssh_runner
