// Code that bears weft's names, and a user's beside it: for the check of what is linked.
#include <cerrno>

#define OPAQUE [[gnu::noinline]] __attribute__((visibility("default")))

namespace weft {

OPAQUE void waits() { asm volatile("" ::: "memory"); }

namespace detail {

thread_local int hidden = 0;

OPAQUE int reads_hidden() { return hidden; }
OPAQUE int keeps_address_of_errno() {
  errno = 0;
  waits();
  return errno;
}
OPAQUE int steps_over_a_page() {
  char frame[20'000];
  frame[0] = 1;
  asm volatile("" : : "r"(frame) : "memory");  // or clang keeps only the part that is used
  return frame[0];
}
OPAQUE int is_in_order() { return 1; }

// The code of a type that is the user's.
template <class F>
[[gnu::noinline]] int calls(F f) {
  waits();
  return f();
}

}  // namespace detail
}  // namespace weft

namespace user {

struct reads_errno {
  int operator()() const { return errno; }
};

OPAQUE int keeps_errno() {
  errno = 0;
  weft::waits();
  return errno;
}
OPAQUE int only_waits() {
  weft::waits();
  return 1;
}
OPAQUE int only_reads() { return errno; }
OPAQUE int instantiates() { return weft::detail::calls(reads_errno()); }

}  // namespace user
