// What else belongs to a process group.
#pragma once

#include <sys/types.h>

namespace weft::detail {

// Whether a process other than the group's first is in it and has not ended. Reads /proc: some
// microseconds for each process of the system. Without /proc: false.
bool has_other_members(pid_t group) noexcept;

}  // namespace weft::detail
