// Variables of our environment that are for getting in, and for nobody else.
#pragma once

#include <set>
#include <string>

#include "settings/settings.hpp"

namespace ssh_runner {

// Of the variables that matched a pattern, these are not for the script: they hold passwords of hosts.
void keep_back(script_settings&, const std::set<std::string>& names);

// Takes these and all that hold passwords and keys out of the environment, once they are read: local processes
// inherit it. To be called before there are threads.
void forget_secrets(const std::set<std::string>& names);

}  // namespace ssh_runner
