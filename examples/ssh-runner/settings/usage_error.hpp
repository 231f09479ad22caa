#pragma once

#include <stdexcept>

namespace ssh_runner {

// Bad usage: the message names the option or the host. Nothing is contacted; exit status 2.
class usage_error : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace ssh_runner
