#include "connect/fair_clock.hpp"

#include <algorithm>
#include <mutex>
#include <tuple>

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

fair_timeout::fair_timeout(fair_clock& clock, nanoseconds limit, const weft::context& parent) {
  std::tie(ctx_, cancel_) = weft::with_cancel(parent);
  waiting_.go([this, &clock, end = clock.now() + limit] {
    bool over = false;
    for (auto left = end - clock.now(); left.count() > 0 && !over; left = end - clock.now())
      weft::select(weft::on_timeout(std::max(left, nanoseconds(milliseconds(1)))),
                   weft::on_done(ctx_, [&] { over = true; }));
    if (over) return;
    late_ = true;
    cancel_();
  });
}

void fair_timeout::cancel() {
  const weft::exit_guard finish;
  cancel_();
  waiting_.wait();
}

}  // namespace ssh_runner
