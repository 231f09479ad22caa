#include "connect/fair_clock.hpp"

#include <algorithm>
#include <mutex>

namespace ssh_runner {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr auto interval = milliseconds(20);
constexpr auto usual_delay = milliseconds(10);  // of a timer on a machine that keeps up

}  // namespace

fair_clock::fair_clock() : ticking_(weft::spawn([this] { tick(); })) {}

fair_clock::~fair_clock() {
  const weft::exit_guard finish;
  over_.close();
  ticking_.wait();
}

nanoseconds fair_clock::overdue(weft::clock::time_point now) const {
  return std::max(nanoseconds(now - last_) - interval - usual_delay, nanoseconds(0));
}

nanoseconds fair_clock::now() const {
  const std::lock_guard lock(mutex_);
  const auto now = weft::clock::now();
  return now.time_since_epoch() - not_counted_ - overdue(now);
}

void fair_clock::begin_use() {
  const std::lock_guard lock(mutex_);
  if (users_++ > 0) return;
  last_ = weft::clock::now();
  wanted_.try_send();
}

void fair_clock::end_use() {
  const std::lock_guard lock(mutex_);
  --users_;
}

void fair_clock::tick() {
  for (bool over = false; !over;) {
    bool used = false;
    {
      const std::lock_guard lock(mutex_);
      const auto now = weft::clock::now();
      used = users_ > 0;
      if (used) not_counted_ += overdue(now);
      last_ = now;
    }
    const auto on_over = [&](bool) { over = true; };
    if (used)
      weft::select(weft::on_timeout(interval), weft::on_recv(over_, on_over));
    else
      weft::select(weft::on_recv(wanted_), weft::on_recv(over_, on_over));
  }
}

}  // namespace ssh_runner
