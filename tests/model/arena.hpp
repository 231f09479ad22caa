// Memory of one execution: handed out from one end, so that every execution finds its objects at
// the same addresses, and never used again before the next. What `new` gives while it is on.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>

namespace weft_model {

class arena {
 public:
  static void begin();  // forgets everything; on from here on
  static void end();
  static bool set(bool on);  // gives what it was
  static void* allocate(std::size_t size, std::size_t alignment);
  static bool contains(const void*);
  static bool is_freed(const void*);
  static void free(void*);
};

// For the explorer's own books, which outlive an execution.
template <class T>
struct heap {
  using value_type = T;
  heap() = default;
  template <class U>
  heap(const heap<U>&) noexcept {}
  T* allocate(std::size_t n) {
    void* p = std::malloc(n * sizeof(T));
    if (p == nullptr) throw std::bad_alloc();
    return static_cast<T*>(p);
  }
  void deallocate(T* p, std::size_t) noexcept { std::free(p); }
  template <class U>
  friend bool operator==(const heap&, const heap<U>&) noexcept {
    return true;
  }
};

}  // namespace weft_model
