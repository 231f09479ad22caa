#pragma once

#include <optional>

#include "settings/settings.hpp"

namespace ssh_runner {

// Reads the command line, the environment, and the scripts and passwords in files. nullopt: it asked
// for help or the version, which is printed. Throws usage_error.
std::optional<settings> read_command_line(int argc, char** argv);

}  // namespace ssh_runner
