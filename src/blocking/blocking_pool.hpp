// Threads for calls that block.
#pragma once

#include <memory>

#include "weft/runtime.hpp"

namespace weft::detail {

// Runs the function, which throws nothing, on a thread of the pool and waits for its end, whatever
// happens meanwhile. In place on a plain thread, or if there is no thread to be had. Throws nothing.
void run_on_blocking_thread(function_view) noexcept;

// A call that nobody waits for; it owns what it needs.
struct detached_call {
  detached_call() = default;
  detached_call(const detached_call&) = delete;
  virtual ~detached_call() = default;
  virtual void run() noexcept = 0;
};
// Runs it on a thread of the pool and destroys it there. In place if there is no thread to be had.
void run_detached(std::unique_ptr<detached_call>);  // throws std::bad_alloc

// While one lives in a goroutine, something may come from outside of its runtime that wakes it.
class outside_activity {
 public:
  outside_activity() noexcept;
  ~outside_activity();
  outside_activity(const outside_activity&) = delete;
  outside_activity& operator=(const outside_activity&) = delete;

 private:
  runtime_core* core_ = nullptr;
};

}  // namespace weft::detail
