// A coroutine type as a user might write one: it starts at once, its frame lives as long as the
// object, and all that it knows of weft is how a run ends.
#pragma once

#include <weft/runtime.hpp>

#include <coroutine>
#include <exception>
#include <utility>

namespace weft_test {

class eager {
 public:
  struct promise_type {
    eager get_return_object() {
      return eager(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() noexcept {
      try {
        throw;
      } catch (const weft::goroutine_exit&) {  // the run ends; anything else terminates
      }
    }
  };
  eager(eager&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  ~eager() { destroy(); }
  void destroy() {
    if (handle_) std::exchange(handle_, nullptr).destroy();
  }
  bool done() const { return handle_.done(); }

 private:
  explicit eager(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  std::coroutine_handle<promise_type> handle_;
};

// Starts at once and destroys itself at its end.
struct fire_and_forget {
  struct promise_type {
    fire_and_forget get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

}  // namespace weft_test
