// Passes a command's output on until it ends, and ends it when its time is over.
#pragma once

#include <optional>
#include <string>
#include <weft/weft.hpp>

#include "output/host_output.hpp"
#include "report/result.hpp"
#include "run/running_command.hpp"
#include "run/stopper.hpp"

namespace ssh_runner {

class supervisor {
 public:
  // `printer` gets what is to be shown.
  supervisor(running_command& command, host_output& output, weft::send_chan<text_block> printer,
             const stopper& stop, result& r)
      : command_(command),
        output_(output),
        printer_(std::move(printer)),
        stop_(stop),
        result_(r) {}

  void run(const time_settings& times, bool wait_for_output);

 private:
  enum class stage { running, terminating, killing, draining, over };

  void enter(stage s, std::chrono::nanoseconds limit);
  bool late() const;
  void select_once();
  void end_command(verdict v, phase p, const std::string& why);
  void on_late();
  void on_stop();
  void on_bytes(stream where, const std::optional<std::string>& bytes);
  void on_end(const std::optional<command_end>& end);
  void check_begun();
  void send(text_block block);

  running_command& command_;
  host_output& output_;
  weft::send_chan<text_block> printer_;
  const stopper& stop_;
  result& result_;

  bool out_open_ = true;
  bool err_open_ = true;
  text_block block_;  // whole lines that the printer has not taken yet

  stage stage_ = stage::running;
  weft::clock::time_point deadline_;
  duration kill_after_{};
  std::string limit_text_;
  bool wait_for_output_ = false;
  bool stop_seen_ = false;
  std::chrono::nanoseconds drain_left_{};
  std::size_t drained_ = 0;
};

}  // namespace ssh_runner
