#pragma once

#include <string>

namespace ssh_runner {

enum class stream { out, err };

// Whole lines for one of our own streams.
struct text_block {
  stream where = stream::out;
  std::string text;
};

}  // namespace ssh_runner
