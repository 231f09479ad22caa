// How a run ends before all hosts have: by a signal, its time-out or a failure.
#pragma once

#include <stdexcept>
#include <string>
#include <weft/weft.hpp>

#include "report/result.hpp"
#include "settings/settings.hpp"

namespace ssh_runner {

// Why it ends, as the cause of a context.
class run_stopped : public std::runtime_error {
 public:
  run_stopped(verdict v, const std::string& why) : std::runtime_error(why), what_of_hosts(v) {}
  verdict what_of_hosts;  // that were not done
};

// Two contexts: when the first is done, hosts end their commands and say how that went; when the
// second is, they let go of everything at once.
class stopper {
 public:
  explicit stopper(const time_settings& times);

  const weft::context& soft() const { return soft_; }
  const weft::context& hard() const { return hard_; }

  void stop(verdict of_hosts, const std::string& why);  // the first reason counts
  void stop_now() { cancel_hard_(); }

  bool stopping() const { return soft_.err() != weft::context_error::none; }
  bool stopping_now() const { return hard_.err() != weft::context_error::none; }
  // Once it is stopping.
  run_stopped reason() const;

 private:
  std::optional<duration> limit_;
  weft::context hard_, soft_;
  weft::cancel_function cancel_hard_, cancel_soft_;
};

}  // namespace ssh_runner
