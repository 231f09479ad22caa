#include "hosts/name_ranges.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <tuple>

namespace ssh_runner {
namespace {

constexpr std::string_view digits = "0123456789";

// A name cut at its last number: of an address the last octet, of web01-eth0 the 0.
struct numbered {
  std::string head, tail;
  std::size_t width = 0;  // 0: without leading zeros
  std::uint64_t number = 0;
};

std::optional<numbered> cut(const std::string& name) {
  // A port or an IPv6 address in brackets is not to be touched.
  const auto limit = std::min(name.find(':'), name.size());
  if (limit == 0 || name.find('[') != std::string::npos) return std::nullopt;
  const auto last = name.find_last_of(digits, limit - 1);
  if (last == std::string::npos) return std::nullopt;
  const auto before = name.find_last_not_of(digits, last);
  const std::size_t first = before == std::string::npos ? 0 : before + 1;
  const std::string text = name.substr(first, last + 1 - first);
  numbered result{name.substr(0, first), name.substr(last + 1),
                  text.size() > 1 && text.front() == '0' ? text.size() : 0, 0};
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), result.number);
  if (error != std::errc{} || result.number == UINT64_MAX) return std::nullopt;
  return result;
}

std::string written(std::uint64_t number, std::size_t width) {
  const std::string text = std::to_string(number);
  return text.size() < width ? std::string(width - text.size(), '0') + text : text;
}

std::string fold_numbers(const std::set<std::uint64_t>& numbers, std::size_t width) {
  std::string text;
  for (auto i = numbers.begin(); i != numbers.end();) {
    const std::uint64_t first = *i;
    std::uint64_t last = first;
    while (++i != numbers.end() && *i == last + 1) last = *i;
    if (!text.empty()) text += ',';
    text += written(first, width);
    if (last != first) text += (last == first + 1 ? ',' : '-') + written(last, width);
  }
  return text;
}

}  // namespace

std::string fold_names(const std::vector<std::string>& names) {
  // Two-digit numbers without a zero in front belong to those of width 2 with one: web09, web10.
  std::map<std::tuple<std::string, std::string>, std::set<std::size_t>> widths;
  for (const std::string& name : names)
    if (const auto n = cut(name); n && n->width != 0) widths[{n->head, n->tail}].insert(n->width);

  std::map<std::tuple<std::string, std::string, std::size_t>, std::set<std::uint64_t>> groups;
  std::set<std::string> single;
  for (const std::string& name : names) {
    const auto n = cut(name);
    if (!n) {
      single.insert(name);
      continue;
    }
    std::size_t width = n->width;
    const std::size_t length = name.size() - n->head.size() - n->tail.size();
    if (const auto known = widths.find({n->head, n->tail}); width == 0 && known != widths.end())
      if (known->second.contains(length)) width = length;
    groups[{n->head, n->tail, width}].insert(n->number);
  }

  std::set<std::string> all(std::move(single));
  for (const auto& [key, numbers] : groups) {
    const auto& [head, tail, width] = key;
    const std::string folded = fold_numbers(numbers, width);
    all.insert(numbers.size() == 1 ? head + folded + tail : head + '[' + folded + ']' + tail);
  }
  std::string text;
  for (const std::string& part : all) text.append(text.empty() ? "" : ",").append(part);
  return text;
}

}  // namespace ssh_runner
