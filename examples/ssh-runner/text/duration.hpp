// Durations as options have them and as messages show them.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace ssh_runner {

// "10", "1.5s", "500ms", "2m", "1h", "1h30m"; nullopt: none of these.
std::optional<std::chrono::nanoseconds> parse_duration(const std::string& text);

std::string in_seconds(std::chrono::nanoseconds);  // "1.5 s"

}  // namespace ssh_runner
