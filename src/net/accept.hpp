// Taking connections from a listener's queue.
#pragma once

#include <string>

#include "io/descriptor_use.hpp"
#include "weft/coro.hpp"

namespace weft::detail {

// The new connection's number. Waits for one, and while there is no descriptor for it.
int accept_from(file_descriptor& listener, const char* what, const wait_limit& limit);
// The same in a coroutine. The listener must live until then.
coro<int> async_accept_from(file_descriptor& listener, const char* what, wait_limit limit);

}  // namespace weft::detail
