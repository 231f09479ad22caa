#pragma once

// Options for a runtime whose workers are all the threads it has: none stands in for one that is
// blocked. So whoever blocks its worker, with as many goroutines as there are workers, is found out:
// nobody else ever runs, and the watchdog ends the test.

#include <cstdlib>
#include <weft/runtime.hpp>

namespace weft_test {

inline weft::options no_spare_thread() {
  weft::options o;
  const char* wanted = std::getenv("WEFT_WORKERS");
  o.workers = wanted != nullptr ? static_cast<unsigned>(std::strtoul(wanted, nullptr, 10)) : 2;
  o.max_threads = o.workers;
  return o;
}

}  // namespace weft_test
