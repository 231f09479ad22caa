// Unix sockets, until weft/net.hpp has them.
#pragma once

#include <string>
#include <utility>
#include <weft/weft.hpp>

namespace ssh_runner {

weft::file_descriptor connect_unix(const std::string& path);  // throws std::system_error
std::pair<weft::file_descriptor, weft::file_descriptor> socket_pair();

}  // namespace ssh_runner
