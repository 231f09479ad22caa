// The stack on which a thread's signal handlers run.
//
// A handler of SIGSEGV that is to speak about an overflow needs a stack of its own. A thread that
// already has one, its owner's or a sanitizer's, keeps it.
#pragma once

#include <cstddef>

namespace weft::detail {

// As long as it lives, and made and destroyed by the thread that it is for. Without memory for one
// the thread has none: an overflow then kills the process without a message.
class alternate_stack {
 public:
  alternate_stack() noexcept;
  ~alternate_stack();
  alternate_stack(const alternate_stack&) = delete;
  alternate_stack& operator=(const alternate_stack&) = delete;

 private:
  char* memory_ = nullptr;  // a guard page and the stack; null: it is somebody else's, or none
  std::size_t bytes_ = 0;
};

}  // namespace weft::detail
