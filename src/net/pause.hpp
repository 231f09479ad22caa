// Waiting a little where the system tells nobody when to try again.
#pragma once

#include <cstdint>

#include "weft/coro.hpp"
#include "weft/io.hpp"

namespace weft::detail {

// 1 ms, growing to 50. A try costs some microseconds, so this is a load of a thousandth.
class growing_pause {
 public:
  // When this pause ends: the next one, or the limit's end if that comes first.
  clock::time_point next(const wait_limit& limit) noexcept;
  // 0, or the error with which the limit says that there is no next try.
  static int error_of(const wait_limit& limit) noexcept;
  // Waits, unless error_of is not 0. Gives error_of.
  int wait(const wait_limit& limit);
  coro<int> async_wait(const wait_limit& limit);  // which must live until then

 private:
  std::int64_t milliseconds_ = 1;
};

}  // namespace weft::detail
