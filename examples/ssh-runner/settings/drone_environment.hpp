#pragma once

#include "settings/settings.hpp"

namespace ssh_runner {

// What drone-ssh's variables (PLUGIN_HOST, INPUT_KEY, …) say of whatever the command line has not
// said, so that a step of a pipeline changes only its program. docs/ssh-runner.md has the table.
// Throws usage_error.
void complete_from_drone(settings& asked);

}  // namespace ssh_runner
