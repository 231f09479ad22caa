#include "text/duration.hpp"

#include <fmt/format.h>

#include <cmath>
#include <map>
#include <sstream>

namespace ssh_runner {

std::optional<std::chrono::nanoseconds> parse_duration(const std::string& text) {
  static const std::map<std::string, double> units = {{"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}};
  constexpr double most = 1e9;  // seconds; so that adding it to the time of day cannot overflow
  double sum = 0;
  for (std::size_t at = 0; at < text.size() || at == 0;) {
    const auto end = std::min(text.find_first_not_of("0123456789.", at), text.size());
    std::istringstream digits(text.substr(at, end - at));
    double number = 0;
    if (!(digits >> number) || !digits.eof()) return std::nullopt;
    at = std::min(text.find_first_of("0123456789.", end), text.size());
    const std::string unit = text.substr(end, at - end);
    const auto found = units.find(text.find_first_not_of("0123456789.") == text.npos ? "s" : unit);
    if (found == units.end()) return std::nullopt;
    sum += number * found->second;
  }
  if (!(sum <= most)) return std::nullopt;
  return std::chrono::nanoseconds(std::llround(sum * 1e9));
}

std::string in_seconds(std::chrono::nanoseconds time) {
  const double seconds = std::chrono::duration<double>(time).count();
  return seconds < 100 ? fmt::format("{:.3g} s", seconds) : fmt::format("{:.0f} s", seconds);
}

}  // namespace ssh_runner
