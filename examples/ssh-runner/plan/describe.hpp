#pragma once

#include <iosfwd>

#include "plan/plan.hpp"
#include "settings/settings.hpp"

namespace ssh_runner {

// What is going to be done, for --dry-run and --debug. No secret is in it: neither passwords nor
// keys nor the values of variables.
void describe(std::ostream&, const settings&, const plan&);

}  // namespace ssh_runner
