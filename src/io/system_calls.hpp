// The calls on a descriptor, none of which blocks the thread or raises SIGPIPE.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <span>

#include "io/descriptor_use.hpp"

namespace weft::detail {

descriptor_kind kind_of(int fd) noexcept;

// Edge-triggered epoll says all that such a one has to say: whoever finds it full or empty hears when
// that ends. Terminals do not (there is room long before they say so), nor do datagrams between
// processes (it is the other's queue that is full), nor what nobody has looked at.
constexpr bool is_edge_triggered(descriptor_kind k) noexcept {
  return k == descriptor_kind::pipe || k == descriptor_kind::fifo ||
         k == descriptor_kind::socket || k == descriptor_kind::tcp;
}

// What result_of gives. They may find out more about what the descriptor is.
ssize_t try_read(int fd, descriptor_kind&, std::span<std::byte> into) noexcept;
ssize_t try_write(int fd, descriptor_kind&, std::span<const std::byte> from) noexcept;

}  // namespace weft::detail
