#include "output/fold.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <mutex>

#include "hosts/name_ranges.hpp"
#include "text/line_diff.hpp"

namespace ssh_runner {

line_tree::node line_tree::add(node at, std::string_view line) {
  const std::uint64_t key = std::hash<std::string_view>{}(line) * 31 + at;
  const auto [first, last] = children_.equal_range(key);
  for (auto i = first; i != last; ++i)
    if (nodes_[i->second].parent == at && nodes_[i->second].line == line) return i->second;
  const node made = static_cast<node>(nodes_.size());
  nodes_.push_back({at, std::string(line)});
  children_.emplace(key, made);
  return made;
}

std::vector<std::string_view> line_tree::lines(node end) const {
  std::vector<std::string_view> result;
  for (; end != root; end = nodes_[end].parent) result.push_back(nodes_[end].line);
  std::ranges::reverse(result);
  return result;
}

class folder::host_recorder : public recorder {
 public:
  host_recorder(folder& to, const std::string& label) : folder_(to), ends_{label} {}

  void line(stream where, std::string_view text) override {
    line_tree::node& at = where == stream::out ? ends_.out : ends_.err;
    const std::lock_guard lock(folder_.mutex_);
    at = folder_.tree_.add(at, text);
  }
  void ended(const result&) override {
    const std::lock_guard lock(folder_.mutex_);
    folder_.ended_.push_back(ends_);
  }

 private:
  folder& folder_;
  ends ends_;
};

std::unique_ptr<recorder> folder::recorder_for(const std::string& label) {
  return std::make_unique<host_recorder>(*this, label);
}

std::vector<folder::group> folder::groups(stream where) const {
  std::map<line_tree::node, std::vector<std::string>> by_end;
  for (const ends& e : ended_) {
    const line_tree::node end = where == stream::out ? e.out : e.err;
    if (end != line_tree::root) by_end[end].push_back(e.label);
  }
  std::vector<group> result;
  for (auto& [end, labels] : by_end) result.push_back({std::move(labels), tree_.lines(end)});
  std::ranges::sort(result, [](const group& a, const group& b) {
    if (a.labels.size() != b.labels.size()) return a.labels.size() > b.labels.size();
    return fold_names(a.labels) < fold_names(b.labels);
  });
  return result;
}

std::string folder::shown(stream where, const fold_settings& asked) const {
  std::string text;
  const std::vector<group> all = groups(where);
  for (const group& g : all) {
    const std::string head =
        fmt::format("--- {} ({} host{})", fold_names(g.labels), g.labels.size(),
                    g.labels.size() == 1 ? "" : "s");
    const bool as_difference = asked.diff && &g != &all.front();
    text += fmt::format("{}{}{}{}\n", asked.colour ? "\033[1m" : "", head,
                        as_difference ? ", differences from the first" : "",
                        asked.colour ? "\033[0m" : "");
    if (as_difference)
      text += line_diff(all.front().lines, g.lines, asked.colour);
    else
      for (const std::string_view line : g.lines) text.append(line) += '\n';
  }
  return text;
}

}  // namespace ssh_runner
