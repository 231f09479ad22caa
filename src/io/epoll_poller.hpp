// Waiting for descriptors, one epoll instance a runtime.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "sched/poller.hpp"

namespace weft::detail {

std::unique_ptr<poller> make_poller();  // throws std::system_error

}  // namespace weft::detail
