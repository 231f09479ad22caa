#include "output/board.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "hosts/name_ranges.hpp"
#include "text/duration.hpp"

namespace ssh_runner {

board::counts board::count() const {
  counts c;
  for (const host_status& h : hosts_) {
    const phase at = h.at_.load(std::memory_order_relaxed);
    if (at == phase::done) {
      ++c.done;
      if (h.failed_.load(std::memory_order_relaxed)) ++c.failed;
    } else if (at != phase::waiting) {
      ++c.running;
    }
  }
  return c;
}

std::string board::line(std::size_t width) const {
  const counts c = count();
  std::string text = fmt::format("{} of {} done, {} failed, {} running", c.done, hosts_.size(),
                                 c.failed, c.running);
  // Naming many is of no use on one line, and costs.
  constexpr std::size_t most_named = 50;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < hosts_.size() && names.size() < most_named; ++i) {
    const phase at = hosts_[i].at_.load(std::memory_order_relaxed);
    if (at != phase::done && at != phase::waiting) names.push_back(plan_.hosts[i].label);
  }
  if (!names.empty()) text += ": " + fold_names(names);
  if (text.size() > width) text = text.substr(0, width > 3 ? width - 3 : 0) + "...";
  return text;
}

std::string board::full() const {
  const counts c = count();
  std::string text =
      fmt::format("ssh-runner: {} of {} done, {} failed, {} running, {} waiting\n", c.done,
                  hosts_.size(), c.failed, c.running, hosts_.size() - c.done - c.running);
  struct group {
    std::vector<std::string> names;
    std::int64_t since = INT64_MAX;
  };
  std::map<phase, group> groups;
  for (std::size_t i = 0; i < hosts_.size(); ++i) {
    const phase at = hosts_[i].at_.load(std::memory_order_relaxed);
    if (at == phase::done || at == phase::waiting) continue;
    group& g = groups[at];
    g.names.push_back(plan_.hosts[i].label);
    g.since = std::min(g.since, hosts_[i].begun_.load(std::memory_order_relaxed));
  }
  for (const auto& [at, g] : groups)
    text += fmt::format("ssh-runner:   {}: {} (for up to {})\n", to_string(at), fold_names(g.names),
                        in_seconds(std::chrono::nanoseconds(host_status::now() - g.since)));
  return text;
}

}  // namespace ssh_runner
