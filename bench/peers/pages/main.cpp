// What the crowds of goroutines cannot go below: a loop that touches one page for each of them, at
// the spacing of weft's stacks.
#include "../peer.hpp"

#include <cerrno>
#include <cstddef>
#include <system_error>

#include <sys/mman.h>

int main(int argc, char** argv) {
  return peer::main(argc, argv, [](const peer::request& r) {
    using workloads::watch;
    if (r.base != "parked" || r.workers != 1) {
      throw peer::no_such_workload();
    }
    constexpr std::size_t spacing = 64 * 1024;
    const auto pages = static_cast<std::size_t>(r.ops);
    const std::int64_t before = peer::memory();
    watch.start(r.ops);
    void* memory = mmap(nullptr, pages * spacing, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
      throw std::system_error(errno, std::generic_category(), "mmap");
    }
    madvise(memory, pages * spacing, MADV_NOHUGEPAGE);
    auto* at = static_cast<volatile char*>(memory);
    for (std::size_t i = 0; i < pages; ++i) {
      at[i * spacing] = 1;
    }
    watch.stop();
    const auto bytes = static_cast<double>(peer::memory() - before) / static_cast<double>(r.ops);
    peer::report({{"ns_per_op", watch.ns_per_operation()}, {"bytes_per_op", bytes}});
  });
}
