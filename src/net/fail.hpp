// How the calls of src/net fail.
#pragma once

#include <string>
#include <system_error>

#include "switch/thread_local.hpp"

namespace weft::detail {

[[noreturn]] inline void fail_net(int error, const std::string& what) {
  throw std::system_error(error, std::generic_category(), "weft::" + what);
}

}  // namespace weft::detail
