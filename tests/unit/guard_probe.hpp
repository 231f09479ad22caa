#pragma once

// Asks the kernel about memory, without touching it here.

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <system_error>

namespace weft_test {

class memory_probe {
 public:
  memory_probe() {
    if (pipe(ends_.data()) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  }
  memory_probe(const memory_probe&) = delete;
  memory_probe& operator=(const memory_probe&) = delete;
  ~memory_probe() {
    close(ends_[0]);
    close(ends_[1]);
  }

  // Raw calls: a sanitizer must not look at the address.
  bool can_read(const void* address) {
    if (syscall(SYS_write, ends_[1], address, std::size_t{1}) != 1) return false;
    char byte = 0;
    return syscall(SYS_read, ends_[0], &byte, std::size_t{1}) == 1;
  }
  bool can_write(void* address) {
    char byte = 0;
    syscall(SYS_write, ends_[1], &byte, std::size_t{1});
    const bool could = syscall(SYS_read, ends_[0], address, std::size_t{1}) == 1;
    if (!could) syscall(SYS_read, ends_[0], &byte, std::size_t{1});
    return could;
  }

 private:
  std::array<int, 2> ends_{};
};

// Whether this kernel guards a page without splitting its mapping (Linux 6.13).
inline bool kernel_has_guards() {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* memory = mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  constexpr int guard_install = 102;
  const bool has = memory != MAP_FAILED && madvise(memory, page, guard_install) == 0;
  if (memory != MAP_FAILED) munmap(memory, page);
  return has;
}

}  // namespace weft_test
