#include "base/barrier.hpp"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace weft::detail {

std::atomic<bool> has_membarrier{false};

namespace {
long membarrier(int command) noexcept { return syscall(SYS_membarrier, command, 0, 0); }
}  // namespace

void prepare_barriers() noexcept {
  // Registering is what makes the expedited command legal; it stays legal for the process.
  has_membarrier.store(membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0 &&
                           membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0,
                       std::memory_order_seq_cst);
}

void membarrier_or_fence() noexcept {
  full_fence();
  if (has_membarrier.load(std::memory_order_relaxed)) {
    membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
  }
}

}  // namespace weft::detail
