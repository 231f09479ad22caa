// Only touched pages take memory, so there is room for a crash reporter's handler, too.
// Proved by: tests/death/overflow_test.cpp.
#include "stack/alternate_stack.hpp"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

namespace weft::detail {

namespace {

constexpr std::size_t room_for_handlers = std::size_t{64} << 10;

// The registers that the kernel saves there grow with the processor.
std::size_t saved_by_kernel() noexcept {
#ifdef _SC_MINSIGSTKSZ
  if (const long n = sysconf(_SC_MINSIGSTKSZ); n > 0) return static_cast<std::size_t>(n);
#endif
  return 8192;
}

}  // namespace

alternate_stack::alternate_stack() noexcept {
  stack_t now{};
  if (sigaltstack(nullptr, &now) != 0 || (now.ss_flags & SS_DISABLE) == 0) return;
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const std::size_t size = (room_for_handlers + saved_by_kernel() + page - 1) / page * page;
  void* memory = mmap(nullptr, page + size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) return;
  mprotect(memory, page, PROT_NONE);
  stack_t ours{};
  ours.ss_sp = static_cast<char*>(memory) + page;
  ours.ss_size = size;
  if (sigaltstack(&ours, nullptr) != 0) {
    munmap(memory, page + size);
    return;
  }
  memory_ = static_cast<char*>(memory);
  bytes_ = page + size;
}

alternate_stack::~alternate_stack() {
  if (memory_ == nullptr) return;
  stack_t now{};
  sigaltstack(nullptr, &now);
  const char* in_use = static_cast<char*>(now.ss_sp);
  // Somebody may have put another one there meanwhile.
  if ((now.ss_flags & SS_DISABLE) == 0 && in_use > memory_ && in_use < memory_ + bytes_) {
    stack_t none{};
    none.ss_flags = SS_DISABLE;
    sigaltstack(&none, nullptr);
  }
  munmap(memory_, bytes_);
}

}  // namespace weft::detail
