// A coroutine type as a user might write one: it starts at once, its frame lives as long as the
// object, and all that it knows of weft is how a run ends.
#pragma once

#include <weft/runtime.hpp>

#include <atomic>
#include <coroutine>
#include <exception>
#include <utility>

namespace weft_test {

class eager {
 public:
  struct promise_type {
    // Or it would be an aggregate, which C++20 initializes with the coroutine's arguments if it can.
    promise_type() noexcept {}
    eager get_return_object() {
      return eager(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    std::suspend_never initial_suspend() noexcept { return {}; }
    auto final_suspend() noexcept {
      struct awaiter {
        bool await_ready() noexcept { return false; }
        void await_suspend(std::coroutine_handle<promise_type> self) noexcept {
          self.promise().ended.store(true);
        }
        void await_resume() noexcept {}
      };
      return awaiter{};
    }
    void return_void() {}
    std::atomic<bool> ended{false};
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
  // At its end, where it may be destroyed.
  bool done() const { return handle_.promise().ended; }

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
