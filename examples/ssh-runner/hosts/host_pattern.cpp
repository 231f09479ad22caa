#include "hosts/host_pattern.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace ssh_runner {
namespace {

constexpr std::string_view blanks = " \t\r\n";

[[noreturn]] void refuse(std::string_view pattern, const std::string& why) {
  throw bad_pattern("bad host pattern '" + std::string(pattern) + "': " + why);
}

std::uint64_t parse_number(std::string_view digits, std::string_view pattern) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(digits.begin(), digits.end(), number);
  if (error != std::errc{} || end != digits.end())
    refuse(pattern, "'" + std::string(digits) + "' is no number");
  return number;
}

std::string padded(std::uint64_t number, std::size_t width) {
  std::string digits = std::to_string(number);
  return digits.size() < width ? std::string(width - digits.size(), '0') + digits : digits;
}

// One item between the commas of a range: "7", "01-20", "1-9/2".
void expand_item(std::string_view item, std::string_view pattern, std::vector<std::string>& into) {
  std::uint64_t step = 1;
  if (const auto slash = item.find('/'); slash != std::string_view::npos) {
    step = parse_number(item.substr(slash + 1), pattern);
    if (step == 0) refuse(pattern, "the step must not be 0");
    item = item.substr(0, slash);
  }
  const auto dash = item.find('-');
  const std::string_view from = item.substr(0, dash);
  const std::string_view to = dash == std::string_view::npos ? from : item.substr(dash + 1);
  const std::uint64_t first = parse_number(from, pattern);
  const std::uint64_t last = parse_number(to, pattern);
  if (last < first) refuse(pattern, "the range runs backwards");
  if ((last - first) / step >= most_hosts) refuse(pattern, "more than 100000 hosts");
  // "01-20" has width 2 throughout; "1-20" has none.
  const std::size_t width = from.starts_with('0') ? from.size() : 0;
  // Counted, as the sum may be more than a number holds.
  for (std::uint64_t i = 0; i <= (last - first) / step; ++i)
    into.push_back(padded(first + i * step, width));
}

bool is_range(std::string_view inside) {
  return !inside.empty() && inside.find_first_not_of("0123456789-,/") == std::string_view::npos;
}

// The first range in brackets from `from` on; an IPv6 address in brackets is none.
struct place {
  std::size_t open = std::string_view::npos;
  std::size_t close = std::string_view::npos;
};
place find_range(std::string_view pattern) {
  for (std::size_t open = 0; (open = pattern.find('[', open)) != std::string_view::npos; ++open) {
    const auto close = pattern.find(']', open);
    if (close == std::string_view::npos) return {};  // for the parser of hosts to complain about
    const auto inside = pattern.substr(open + 1, close - open - 1);
    if (is_range(inside)) return {open, close};
    if (inside.find(':') == std::string_view::npos)
      refuse(pattern, "'[" + std::string(inside) + "]' is neither a range nor an address");
  }
  return {};
}

}  // namespace

std::vector<std::string> split_host_list(std::string_view text) {
  std::vector<std::string> parts;
  std::string part;
  int depth = 0;
  const auto finish = [&] {
    if (!part.empty()) parts.push_back(std::move(part));
    part.clear();
  };
  for (const char c : text) {
    if (c == '[') ++depth;
    if (c == ']') --depth;
    if (depth <= 0 && (c == ',' || blanks.find(c) != std::string_view::npos))
      finish();
    else
      part += c;
  }
  finish();
  return parts;
}

std::vector<std::string> expand_ranges(std::string_view pattern) {
  const auto [open, close] = find_range(pattern);
  if (open == std::string_view::npos) return {std::string(pattern)};

  std::vector<std::string> numbers;
  std::string_view items = pattern.substr(open + 1, close - open - 1);
  for (;;) {
    const auto comma = items.find(',');
    expand_item(items.substr(0, comma), pattern, numbers);
    if (comma == std::string_view::npos) break;
    items.remove_prefix(comma + 1);
  }
  const std::vector<std::string> tails = expand_ranges(pattern.substr(close + 1));
  if (numbers.size() * tails.size() > most_hosts) refuse(pattern, "more than 100000 hosts");
  std::vector<std::string> names;
  names.reserve(numbers.size() * tails.size());
  const std::string head(pattern.substr(0, open));
  for (const std::string& number : numbers)
    for (const std::string& tail : tails) names.push_back(head + number + tail);
  return names;
}

bool matches_glob(std::string_view pattern, std::string_view name) {
  // Where to go on when what follows the last '*' does not match: one character further.
  std::size_t p = 0;
  std::size_t n = 0;
  std::size_t star = std::string_view::npos;
  std::size_t after_star = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      after_star = n;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
      ++p;
      ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++after_star;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace ssh_runner
