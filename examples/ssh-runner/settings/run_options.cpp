// How many hosts at a time.
#include "settings/option_table.hpp"

namespace ssh_runner {

void add_run_options(option_table& options, settings& all) {
  options.group("Run");
  options.number<std::size_t>("-f,--fanout", all.run.fanout, 1, 1'000'000,
                              "Hosts at a time (default: 100)");
}

}  // namespace ssh_runner
