// What the conformance tests share: notes from goroutines, and waiting until somebody is parked.
#pragma once

#include <weft/weft.hpp>

#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace weft_test {

// Catch's assertions belong to the main goroutine. The others write here what went wrong, and the
// test checks at its end that nothing did.
class notes {
 public:
  void expect(bool holds, std::string_view what) {
    if (!holds) add(what);
  }

  void add(std::string_view what) {
    std::lock_guard lock(mutex_);
    text_ += what;
    text_ += '\n';
  }

  std::string text() const {
    std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  mutable std::mutex mutex_;
  std::string text_;
};

// Returns when at least n goroutines of this runtime wait. Several tests are about those that
// already wait, and nothing else says from outside that they do.
inline void until_parked(std::size_t n) {
  while (weft::stats().parked < n) weft::yield();
}

// Runs f when it is destroyed.
template <class F>
class at_end {
 public:
  explicit at_end(F f) : f_(std::move(f)) {}
  at_end(const at_end&) = delete;
  at_end& operator=(const at_end&) = delete;
  ~at_end() { f_(); }

 private:
  F f_;
};

}  // namespace weft_test
