// Starting a program: clone, the child's few calls, exec.
#pragma once

#include <sys/types.h>

#include <cstddef>

#include "weft/io.hpp"

namespace weft::detail {

// All that the child needs, allocated beforehand.
struct launch_plan {
  static constexpr int as_it_is = -1;

  const char* const* paths = nullptr;  // tried in turn, as execvp does
  std::size_t path_count = 0;
  char* const* arguments = nullptr;
  char* const* environment = nullptr;
  const char* directory = nullptr;  // may be null
  int streams[3] = {as_it_is, as_it_is, as_it_is};  // not below 3
  bool errors_to_output = false;
};

enum class launch_step { clone, group, directory, streams, program };

struct launch_result {
  pid_t pid = -1;
  file_descriptor pidfd;  // empty on a kernel without
  // Unless 0, there is no process.
  int error = 0;
  launch_step failed = launch_step::clone;
};

// Blocks the thread until the program is loaded, or is not.
launch_result launch(const launch_plan&) noexcept;

}  // namespace weft::detail
