// What the kernel says of another thread of this process.
#pragma once

namespace weft::detail {

// Whether it sleeps in a system call: it neither runs nor waits for a CPU. False also where the
// kernel does not tell. Costs some microseconds.
bool is_asleep(int thread_id) noexcept;

}  // namespace weft::detail
