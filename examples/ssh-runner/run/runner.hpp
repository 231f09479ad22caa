// All hosts, so many at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>
#include <weft/weft.hpp>

#include "output/board.hpp"
#include "output/fold.hpp"
#include "output/host_output.hpp"
#include "output/printer.hpp"
#include "plan/plan.hpp"
#include "report/result.hpp"
#include "run/stopper.hpp"
#include "run/transport.hpp"
#include "settings/settings.hpp"

namespace ssh_runner {

class heard_signals;

struct report {
  std::vector<result> results;  // in the order of the plan
  std::string output_error;     // of our own stdout and stderr
  int signal = 0;               // that ended it
  bool told_to_leave = false;   // by a second one: who does not read is not waited for any more
  bool timed_out = false;       // hosts were left out for want of time
};

// Before a retry of connecting: twice as long after each attempt, within bounds. `spread`: a part of it, so
// that not all hosts come back at the same moment.
duration retry_delay(duration first, int attempts, double spread);

// To be made and used inside weft::run, once.
class runner {
 public:
  runner(const settings& asked, const plan& planned);
  report run();

 private:
  void run_hosts(std::vector<result>& results);
  result run_host(std::size_t index);
  std::unique_ptr<running_command> start(const planned_host& host, std::size_t index, result& r);
  bool wait_to_retry(int attempts);
  host_output make_output(const planned_host& host, std::size_t index);
  void note_end(const result& r);
  void watch(const heard_signals&, const weft::context& over);
  static weft::recv_chan<std::string> typed_lines(const weft::context& over);
  void on_signal(int number);
  void tell_not_run(const std::vector<result>& results);
  void print_folded();

  const settings& asked_;
  const plan& plan_;
  board board_;
  stopper stop_;
  folder folder_;
  printer printer_;
  fair_clock clock_;
  std::unique_ptr<transport> transport_;
  weft::chan<void> places_;  // --fanout
  std::atomic<std::size_t> failed_{0};
  std::atomic<int> signal_{0};
};

}  // namespace ssh_runner
