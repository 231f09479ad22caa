#pragma once

#include <sys/wait.h>

namespace weft_test {

// Whether this process has children: running ones, or zombies that nobody has reaped.
inline bool has_children() {
  siginfo_t info{};
  return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

}  // namespace weft_test
