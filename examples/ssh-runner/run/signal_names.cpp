#include "run/signal_names.hpp"

#include <algorithm>
#include <array>

namespace ssh_runner {
namespace {

// The first sixteen have these numbers everywhere.
constexpr std::array<std::string_view, 16> by_number = {
    "",    "HUP",  "INT",  "QUIT", "ILL",  "TRAP", "ABRT", "BUS",
    "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM"};

}  // namespace

int signal_number(std::string_view name) {
  const auto found = std::ranges::find(by_number, name);
  return found == by_number.end() ? 127 : static_cast<int>(found - by_number.begin());
}

std::string signal_name(int number) {
  const auto at = static_cast<std::size_t>(number);
  return number > 0 && at < by_number.size() ? std::string(by_number[at]) : std::to_string(number);
}

}  // namespace ssh_runner
