#pragma once

namespace weft_test {

// After WEFT_TEST_TIMEOUT seconds (120, under a sanitizer 600, 0: never) the process prints its
// goroutines to stderr and aborts. An alarm and not a thread: a thread beside weft's own would
// switch the deadlock detection off.
void start_watchdog();

}  // namespace weft_test
