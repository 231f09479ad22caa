// Memory for seeds: 128 bytes each, from a list per worker that spills in batches to a shared one.
// Their memory stays with the process, so that a handle may outlive its runtime.
#pragma once

#include <cstddef>

#include "base/sanitizer.hpp"
#include "weft/detail/seed.hpp"

namespace weft::detail {

class seed_pool {
 public:
  // For the one thread that owns the pool. null: out of memory.
  callable_seed* take() noexcept {
    if (first_ == nullptr && !refill()) return nullptr;
    seed* s = first_;
    first_ = s->next;
    --count_;
    return static_cast<callable_seed*>(s);
  }
  void give_back(callable_seed* s) noexcept {
    s->next = first_;
    first_ = s;
    if (++count_ >= 2 * batch) spill();
  }
  void give_all_back() noexcept;

  // For any thread.
  static callable_seed* take_shared() noexcept;
  static void give_back_shared(callable_seed*) noexcept;

  // The sanitizers' allocators keep their own books: there every seed goes back at once.
  static constexpr std::size_t batch = WEFT_TSAN || WEFT_ASAN ? 0 : 128;

 private:
  bool refill() noexcept;
  void spill() noexcept;

  seed* first_ = nullptr;
  std::size_t count_ = 0;
};

}  // namespace weft::detail
