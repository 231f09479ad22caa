#include "run/stopper.hpp"

#include <exception>
#include <tuple>

#include "text/duration.hpp"

namespace ssh_runner {

stopper::stopper(const time_settings& times) : limit_(times.all) {
  std::tie(hard_, cancel_hard_) = weft::with_cancel(weft::background());
  if (limit_)
    std::tie(soft_, cancel_soft_) = weft::with_timeout(hard_, *limit_);
  else
    std::tie(soft_, cancel_soft_) = weft::with_cancel(hard_);
}

void stopper::stop(verdict of_hosts, const std::string& why) {
  cancel_soft_(std::make_exception_ptr(run_stopped(of_hosts, why)));
}

run_stopped stopper::reason() const {
  try {
    if (const std::exception_ptr cause = soft_.cause()) std::rethrow_exception(cause);
  } catch (const run_stopped& reason) {
    return reason;
  } catch (const weft::context_deadline_exceeded&) {
    return {verdict::timed_out, "the run took more than " + in_seconds(*limit_)};
  } catch (const std::exception&) {
  }
  return {verdict::stopped, "stopped"};
}

}  // namespace ssh_runner
