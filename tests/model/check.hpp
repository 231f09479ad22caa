// What every model's test does with its scenario: no interleaving within the bounds may fail. Prints
// how many there were.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
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

// The scheduler takes many steps: with a preemption more, or with a delayed store, but not both.
inline void check_scheduler(limits l, const std::function<void(scenario&)>& make) {
  l.delayed_stores = 0;
  check(l, make);
  --l.preemptions;
  l.delayed_stores = 1;
  check(l, make);
}

}  // namespace weft_model
