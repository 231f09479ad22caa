// One command: a shell that runs the line.
#pragma once

#include <weft/weft.hpp>

#include <string>

#include "printer.hpp"
#include "settings.hpp"

struct job {
  unsigned number;  // from 1 on
  std::string line;

  // Runs it until its end, its time-out or the context's end, and prints what it writes.
  weft::exit_status run(weft::context, const settings&, printer&) const;
};
