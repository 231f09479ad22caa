// Waiting a little where the system tells nobody when to try again.
#include "net/pause.hpp"

#include <algorithm>
#include <cerrno>

#include "io/wait.hpp"
#include "weft/select.hpp"

namespace weft::detail {

clock::time_point growing_pause::next(const wait_limit& limit) noexcept {
  const auto until = clock::now() + std::chrono::milliseconds(milliseconds_);
  milliseconds_ = std::min<std::int64_t>(milliseconds_ * 2, 50);
  return std::min(until, clock::time_point(clock::duration(limit.get().at)));
}

int growing_pause::error_of(const wait_limit& limit) noexcept {
  const auto over = has_passed(limit);
  return !over ? 0 : *over == wait_status::timeout ? ETIMEDOUT : ECANCELED;
}

int growing_pause::wait(const wait_limit& limit) {
  if (const int error = error_of(limit); error != 0) return error;
  select(on_done(limit.ends_with()), on_timeout(next(limit)));
  return error_of(limit);
}

coro<int> growing_pause::async_wait(const wait_limit& limit) {
  if (const int error = error_of(limit); error != 0) co_return error;
  co_await async_select(on_done(limit.ends_with()), on_timeout(next(limit)));
  co_return error_of(limit);
}

}  // namespace weft::detail
