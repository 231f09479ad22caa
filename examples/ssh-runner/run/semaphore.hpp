// A buffered channel used as a counting semaphore, as in Go: to take a slot is to send, to give
// it back is to receive.
#pragma once

#include <weft/weft.hpp>

namespace ssh_runner {

class slot {
 public:
  explicit slot(const weft::chan<void>& slots) : slots_(slots) { slots_.send(); }
  slot(const slot&) = delete;
  slot& operator=(const slot&) = delete;
  ~slot() { slots_.try_recv(); }  // never waits: what the constructor sent is there

 private:
  weft::chan<void> slots_;
};

}  // namespace ssh_runner
