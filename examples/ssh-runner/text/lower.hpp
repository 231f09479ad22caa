#pragma once

#include <string>
#include <string_view>

namespace ssh_runner {

// ASCII only, whatever the locale.
inline std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return result;
}

}  // namespace ssh_runner
