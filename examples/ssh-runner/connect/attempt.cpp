#include "connect/attempt.hpp"

#include "text/duration.hpp"

namespace ssh_runner {

void attempt::enter_handshake(const handshake_places& places) {
  wait_for_turn(weft::on_send(places));
  held_ = places;
}

void attempt::leave_handshake() {
  if (held_) held_.try_recv();  // never waits: what was sent is there
  held_ = nullptr;
}

void attempt::fail_late(const std::string& since) const {
  throw failure(verdict::timed_out, where(),
                "time-out after " + in_seconds(limit_) + (since.empty() ? "" : ": " + since));
}

void attempt::fail_stopped() const { throw failure(verdict::stopped, where(), "stopped"); }

}  // namespace ssh_runner
