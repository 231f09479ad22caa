// What every model's test does with its scenario: no interleaving within the bounds may fail. Prints
// how many there were.
#pragma once

#include <cstdint>
#include <iostream>

#include "model/explorer.hpp"
#include "support/catch.hpp"

namespace weft_model {

inline void check(const limits& l, const std::function<void(scenario&)>& make) {
  const outcome r = explore(l, make);
  std::cout << "  " << r.executions << " executions, " << r.cut_short << " of them cut short; "
            << r.shared_words << " shared words; " << l.preemptions << " preemptions, "
            << l.delayed_stores << " delayed stores, " << l.timeouts << " time-outs" << std::endl;
  INFO(r.executions << " executions\n" << r.trace);
  CHECK(r.failure == "");
  CHECK(r.complete);
}

}  // namespace weft_model
