#include "connect/keep_alive.hpp"

#include <libssh/server.h>

#include "text/duration.hpp"

namespace ssh_runner {
namespace {

constexpr auto never = std::chrono::hours(24 * 365 * 30);

}  // namespace

keep_alive::keep_alive(ssh_session session, keep_alive_rule rule)
    : session_(session), rule_(rule), next_(weft::clock::now() + rule.interval.value_or(never)) {
  ssh_set_counters(session_, &bytes_, nullptr);
}

keep_alive::~keep_alive() { ssh_set_counters(session_, nullptr, nullptr); }

bool keep_alive::check(bool reading) {
  if (!rule_.interval) return true;
  const auto now = weft::clock::now();
  if (bytes_.in_bytes != heard_ || !reading) {
    heard_ = bytes_.in_bytes;
    unanswered_ = 0;
    next_ = now + *rule_.interval;
    return true;
  }
  if (now < next_) return true;
  if (unanswered_ == rule_.count) return false;
  ++unanswered_;
  next_ = now + *rule_.interval;
  // If the last question was answered, the first call only takes note of that.
  const auto before = bytes_.out_bytes;
  ssh_send_keepalive(session_);
  if (bytes_.out_bytes == before) ssh_send_keepalive(session_);
  return true;
}

std::string keep_alive::problem() const {
  return "no answer for " + in_seconds(*rule_.interval * (rule_.count + 1));
}

}  // namespace ssh_runner
