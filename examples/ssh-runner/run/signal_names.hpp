#pragma once

#include <string>
#include <string_view>

namespace ssh_runner {

int signal_number(std::string_view name);  // "TERM" → 15; 127: unknown
std::string signal_name(int number);       // 15 → "TERM"

}  // namespace ssh_runner
