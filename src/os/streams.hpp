// The three streams of a command, opened before it starts.
#pragma once

#include <array>
#include <string>
#include <variant>

#include "weft/os.hpp"

namespace weft::detail {

// What one redirection stands for.
using stream_target = std::variant<stdio, file_descriptor, std::filesystem::path>;

struct opened_streams {
  // For the child: numbers of at least 3, or launch_plan::as_it_is. Owned below, or by the target.
  std::array<int, 3> for_child;
  std::array<file_descriptor, 3> owned;
  // Ours, where the target is a pipe.
  std::array<file_descriptor, 3> pipe_ends;
  bool errors_to_output = false;
};

// Throws std::system_error; its message begins with `who`.
opened_streams open_streams(std::array<stream_target, 3>& targets, const std::string& who);

}  // namespace weft::detail
