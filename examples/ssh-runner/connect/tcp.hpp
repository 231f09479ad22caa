// A TCP connection, made without blocking.
#pragma once

#include <vector>
#include <weft/weft.hpp>

#include "connect/resolver.hpp"

namespace ssh_runner {

// Tries each address in turn, each with its share of the time that is left, so that one dead
// address does not use it all. Throws failure.
weft::file_descriptor connect_tcp(const std::vector<socket_address>& addresses,
                                  attempt& a);

}  // namespace ssh_runner
