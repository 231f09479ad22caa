#include "script/quote.hpp"

namespace ssh_runner {

std::string shell_quoted(std::string_view text) {
  std::string result = "'";
  for (const char c : text) {
    if (c == '\'')
      result += "'\\''";
    else
      result += c;
  }
  return result + '\'';
}

bool is_variable_name(std::string_view text) {
  constexpr std::string_view letters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
  return !text.empty() && text.find_first_not_of(letters) == std::string_view::npos &&
         (text.front() < '0' || text.front() > '9');
}

}  // namespace ssh_runner
