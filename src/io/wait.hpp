// What file_descriptor needs of the poller.
#pragma once

#include <atomic>
#include <cstdint>

#include "weft/io.hpp"

namespace weft::detail {

// In file_descriptor's word of users: it is being closed.
inline constexpr std::uint32_t closing_bit = 0x80000000;

// As wait_readable and wait_writable; `cancelled` too if the word says closing.
wait_status wait_descriptor(int fd, bool to_write, const wait_limit& limit,
                            const std::atomic<std::uint32_t>* closing);

}  // namespace weft::detail
