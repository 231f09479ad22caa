#include "text/line_diff.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace ssh_runner {
namespace {

using lines = std::vector<std::string_view>;

struct edit {
  char kind;  // ' ', '-', '+'
  std::string_view line;
};

// Beyond that many pairs of lines the middle counts as different altogether.
constexpr std::size_t most_pairs = 4'000'000;
constexpr std::size_t context = 3;

// By the table of longest common subsequences of what is left of both.
void compare(const lines& from, std::size_t f, std::size_t f_end, const lines& to, std::size_t t,
             std::size_t t_end, std::vector<edit>& edits) {
  const std::size_t width = t_end - t + 1;
  std::vector<std::uint32_t> longest((f_end - f + 1) * width, 0);
  const auto at = [&](std::size_t i, std::size_t k) -> std::uint32_t& {
    return longest[(i - f) * width + (k - t)];
  };
  for (std::size_t i = f_end; i-- > f;)
    for (std::size_t k = t_end; k-- > t;)
      at(i, k) = from[i] == to[k] ? at(i + 1, k + 1) + 1 : std::max(at(i + 1, k), at(i, k + 1));
  std::size_t i = f;
  std::size_t k = t;
  while (i < f_end || k < t_end) {
    if (i < f_end && k < t_end && from[i] == to[k]) {
      edits.push_back({' ', from[i++]});
      ++k;
    } else if (i < f_end && (k == t_end || at(i + 1, k) >= at(i, k + 1))) {
      edits.push_back({'-', from[i++]});
    } else {
      edits.push_back({'+', to[k++]});
    }
  }
}

std::vector<edit> edits_of(const lines& from, const lines& to) {
  std::size_t same = 0;
  while (same < from.size() && same < to.size() && from[same] == to[same]) ++same;
  std::size_t tail = 0;
  while (tail < from.size() - same && tail < to.size() - same &&
         from[from.size() - 1 - tail] == to[to.size() - 1 - tail])
    ++tail;
  const std::size_t f_end = from.size() - tail;
  const std::size_t t_end = to.size() - tail;

  std::vector<edit> edits;
  for (std::size_t i = 0; i < same; ++i) edits.push_back({' ', from[i]});
  if ((f_end - same) * (t_end - same) <= most_pairs) {
    compare(from, same, f_end, to, same, t_end, edits);
  } else {
    for (std::size_t i = same; i < f_end; ++i) edits.push_back({'-', from[i]});
    for (std::size_t i = same; i < t_end; ++i) edits.push_back({'+', to[i]});
  }
  for (std::size_t i = f_end; i < from.size(); ++i) edits.push_back({' ', from[i]});
  return edits;
}

}  // namespace

std::string line_diff(const lines& from, const lines& to, bool coloured) {
  const std::vector<edit> edits = edits_of(from, to);
  std::vector<bool> shown(edits.size(), false);
  for (std::size_t i = 0; i < edits.size(); ++i)
    if (edits[i].kind != ' ')
      for (std::size_t k = i - std::min(i, context); k < std::min(edits.size(), i + context + 1); ++k)
        shown[k] = true;
  std::string text;
  bool skipped = false;
  for (std::size_t i = 0; i < edits.size(); ++i) {
    if (!shown[i]) {
      if (!std::exchange(skipped, true)) text += "  ...\n";
      continue;
    }
    skipped = false;
    const char kind = edits[i].kind;
    if (coloured && kind != ' ') text += kind == '-' ? "\033[31m" : "\033[32m";
    text.append({kind, ' '}).append(edits[i].line);
    if (coloured && kind != ' ') text += "\033[0m";
    text += '\n';
  }
  return text;
}

}  // namespace ssh_runner
