#pragma once

#include <istream>
#include <string>
#include <utility>
#include <vector>

namespace ssh_runner {

// A file of variables as Drone has them: NAME=value, with or without quotes and "export"; '#' for
// comments. In double quotes \n and the like are understood; there and without quotes $NAME and ${NAME} of
// lines before, in capitals. `name` is for messages. Throws usage_error.
std::vector<std::pair<std::string, std::string>> parse_env_file(std::istream& text,
                                                                const std::string& name);

// Puts them into the environment, in place of what is there only if `over`. A file that is not there has
// none.
void read_env_file(const std::string& file, bool over);

}  // namespace ssh_runner
