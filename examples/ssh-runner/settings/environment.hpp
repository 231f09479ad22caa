#pragma once

#include <optional>
#include <string>

namespace ssh_runner {

std::optional<std::string> environment(const char* name);

}  // namespace ssh_runner
