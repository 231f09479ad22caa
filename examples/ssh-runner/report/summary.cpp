#include "report/summary.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ostream>
#include <utility>

#include "hosts/name_ranges.hpp"
#include "report/advice.hpp"
#include "text/duration.hpp"

namespace ssh_runner {
namespace {

std::string counts(const std::vector<result>& results) {
  std::array<int, 7> numbers{};
  for (const result& r : results) ++numbers.at(static_cast<std::size_t>(r.outcome));
  std::string text;
  for (std::size_t i = 0; i < numbers.size(); ++i)
    if (numbers[i] != 0)
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", numbers[i],
                          to_string(static_cast<verdict>(i)));
  return text;
}

std::string slowest(const std::vector<result>& results) {
  const auto total = [](const result& r) { return r.connecting + r.running; };
  const auto most = std::ranges::max_element(results, {}, total);
  if (results.size() < 2 || total(*most).count() == 0) return {};
  return fmt::format("; slowest {}, {}", most->label, in_seconds(total(*most)));
}

// Lines in the order in which they came up first, each with all hosts that it is about.
class grouped_lines {
 public:
  void add(const std::string& host, std::string text, const std::string& advice) {
    const auto same = [&](const line& l) { return l.text == text; };
    const auto known = std::ranges::find_if(lines_, same);
    line& l =
        known != lines_.end() ? *known : lines_.emplace_back(line{std::move(text), advice, {}});
    l.hosts.push_back(host);
  }

  void print(std::ostream& out) const {
    for (const line& l : lines_) {
      const std::string hosts = l.hosts.size() == 1 ? l.hosts.front() : fold_names(l.hosts);
      out << fmt::format("ssh-runner: {}: {}\n", hosts, l.text);
      if (!l.advice.empty()) out << fmt::format("ssh-runner:   {}\n", l.advice);
    }
  }

 private:
  struct line {
    std::string text, advice;
    std::vector<std::string> hosts;
  };
  std::vector<line> lines_;
};

}  // namespace

void print_summary(std::ostream& out, const std::vector<result>& results,
                   std::chrono::nanoseconds took, bool only_failures) {
  const auto good = [](const result& r) { return r.outcome == verdict::ok; };
  if (!only_failures || !std::ranges::all_of(results, good))
    out << fmt::format("ssh-runner: {} host{} in {}: {}{}\n", results.size(),
                       results.size() == 1 ? "" : "s", in_seconds(took), counts(results),
                       slowest(results));
  grouped_lines lines;
  grouped_lines left_out;
  for (const result& r : results) {
    if (r.outcome == verdict::not_run)
      left_out.add(r.label, "not run", {});
    else if (r.outcome != verdict::ok)
      lines.add(r.label, fmt::format("{}: {}", to_string(r.where), r.cause), advice_for(r));
    if (!r.unkept.empty()) lines.add(r.label, "some of its output is not kept: " + r.unkept, {});
    if (!r.note.empty() && !only_failures) lines.add(r.label, r.note, {});
  }
  lines.print(out);
  left_out.print(out);
  out.flush();
}

}  // namespace ssh_runner
