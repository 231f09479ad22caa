// What the command line asks for.
#pragma once

#include <chrono>
#include <optional>

struct settings {
  unsigned jobs = 0;  // at once
  bool live = false;  // lines as they come; otherwise each job's output whole, at its end
  std::optional<std::chrono::nanoseconds> timeout;  // for each job
  std::chrono::milliseconds grace{2000};            // between SIGTERM and SIGKILL
};

// Ends the program for --help and for what makes no sense.
settings parse_command_line(int argc, char** argv);
