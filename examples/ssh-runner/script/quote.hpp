#pragma once

#include <string>
#include <string_view>

namespace ssh_runner {

// The text as one word for a shell, whatever is in it: it's → 'it'\''s'.
std::string shell_quoted(std::string_view text);

// Whether a shell takes it as the name of a variable.
bool is_variable_name(std::string_view text);

}  // namespace ssh_runner
