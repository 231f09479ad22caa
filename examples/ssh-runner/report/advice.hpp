#pragma once

#include <string>

#include "report/result.hpp"

namespace ssh_runner {

// What the user may do about it, one sentence. Every failure has one.
std::string advice_for(const result&);

}  // namespace ssh_runner
