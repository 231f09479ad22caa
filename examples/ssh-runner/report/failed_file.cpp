#include "report/failed_file.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <fstream>
#include <system_error>

namespace ssh_runner {

void write_failed_file(const std::string& file, const plan& planned,
                       const std::vector<result>& results) {
  std::ofstream out(file, std::ios::trunc);
  for (std::size_t i = 0; i < results.size(); ++i) {
    const result& r = results[i];
    if (r.outcome == verdict::ok) continue;
    std::string cause = r.cause.substr(0, r.cause.find('\n'));
    const planned_host& host = planned.hosts[i];
    out << fmt::format("{}  # {}{}{}{}\n", host.again, to_string(r.where),
                       cause.empty() ? "" : ": ", cause,
                       host.left_out.empty() ? "" : "; without its " + host.left_out);
  }
  out.flush();
  if (!out) throw std::system_error(errno, std::generic_category(), file);
}

}  // namespace ssh_runner
