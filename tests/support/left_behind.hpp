#pragma once

#include <memory>
#include <string>

namespace weft_test {

// Counts from its construction on.
class what_is_left {
 public:
  virtual ~what_is_left() = default;
  // What a case has left behind, after a while in which that may go; empty: nothing.
  virtual std::string text() const = 0;
};
// Set in the programs that count: for cases that are processes of their own.
inline std::unique_ptr<what_is_left> (*count_what_is_left)() = nullptr;

// How many test cases have left a descriptor or a child behind, in the programs that count it.
inline int cases_that_left_something = 0;

}  // namespace weft_test
