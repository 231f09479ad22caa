// Proved by: tests/conformance/stack_marks_test.cpp.
#include "stack/stack_use.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

#include "base/sanitizer.hpp"
#include "switch/context.hpp"

namespace weft::detail {

namespace {

// mincore asks for so many at once: a small array, since it lies on the stack that is measured.
constexpr std::size_t pages_at_once = 64;

// Of a stack that others may run on, and below what a sanitizer takes for the frames in use.
[[gnu::noinline]] WEFT_NO_ASAN WEFT_NO_TSAN char* first_not_zero(char* from, char* to) noexcept {
  if (on_valgrind()) return from;
  for (; from < to; from += sizeof(std::uint64_t)) {
    if (*reinterpret_cast<volatile std::uint64_t*>(from) != 0) return from;
  }
  return nullptr;
}

[[gnu::noinline]] WEFT_NO_ASAN WEFT_NO_TSAN void set_to_zero(char* from, char* to) noexcept {
  for (; from < to; from += sizeof(std::uint64_t)) {
    *reinterpret_cast<volatile std::uint64_t*>(from) = 0;
  }
}

char* page_of(char* address, std::size_t page) noexcept {
  return address - reinterpret_cast<std::uintptr_t>(address) % page;
}

}  // namespace

std::size_t used_of_stack(char* low, char* top) noexcept {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  unsigned char there[pages_at_once];
  for (char* at = low; at < top; at += pages_at_once * page) {
    const std::size_t left = static_cast<std::size_t>(top - at + page - 1) / page;
    const std::size_t pages = left < pages_at_once ? left : pages_at_once;
    if (mincore(at, pages * page, there) != 0) return 0;
    for (std::size_t i = 0; i < pages; ++i) {
      if ((there[i] & 1) == 0) continue;
      char* start = at + i * page;
      char* end = start + page < top ? start + page : top;
      char* used = first_not_zero(start, end);
      // A page of zeros was touched all the same: an array that was cleared.
      return static_cast<std::size_t>(top - (used != nullptr ? used : start));
    }
  }
  return 0;
}

void forget_stack_use(char* low, char* end) noexcept {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  char* last = page_of(end, page);
  if (last > low) madvise(low, static_cast<std::size_t>(last - low), MADV_DONTNEED);
  set_to_zero(last, end - reinterpret_cast<std::uintptr_t>(end) % sizeof(std::uint64_t));
}

}  // namespace weft::detail
