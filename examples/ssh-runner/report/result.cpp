#include "report/result.hpp"

#include <array>
#include <utility>

namespace ssh_runner {

std::string_view to_string(phase p) {
  constexpr std::array<std::string_view, 11> names = {
      "waiting", "resolve", "connect", "handshake", "host key", "login",
      "start",   "command", "signal",  "time-out",  "done"};
  return names.at(static_cast<std::size_t>(p));
}

std::string_view to_string(verdict v) {
  constexpr std::array<std::string_view, 7> names = {"ok",
                                                     "not run",
                                                     "stopped",
                                                     "with a failed command",
                                                     "not connected",
                                                     "timed out",
                                                     "with a refused host key"};
  return names.at(static_cast<std::size_t>(v));
}

void result::fail(verdict v, phase p, std::string why) {
  outcome = v;
  where = p;
  cause = std::move(why);
}

}  // namespace ssh_runner
