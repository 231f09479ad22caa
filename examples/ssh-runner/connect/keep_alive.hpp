// Finds out whether the other side is still there.
#pragma once

#include <libssh/libssh.h>

#include <chrono>
#include <optional>
#include <weft/weft.hpp>

namespace ssh_runner {

struct keep_alive_rule {
  std::optional<std::chrono::nanoseconds> interval;  // of silence, after which it is asked
  int count = 3;                                     // of questions without an answer: it is gone
};

// For the goroutine that owns the session.
class keep_alive {
 public:
  keep_alive(ssh_session session, keep_alive_rule rule);
  keep_alive(const keep_alive&) = delete;
  keep_alive& operator=(const keep_alive&) = delete;
  ~keep_alive();

  // Whether anything has come since. Asks if it is time to. `reading`: whether what comes is taken
  // at all. False: the other side is gone.
  bool check(bool reading);
  weft::clock::time_point next() const { return next_; }
  std::string problem() const;

 private:
  ssh_session session_;
  keep_alive_rule rule_;
  ssh_counter_struct bytes_{};
  std::uint64_t heard_ = 0;
  int unanswered_ = 0;
  weft::clock::time_point next_;
};

}  // namespace ssh_runner
