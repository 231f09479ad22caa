#include "run/supervisor.hpp"

#include <algorithm>
#include <utility>

#include "text/duration.hpp"

namespace ssh_runner {
namespace {

using namespace std::chrono_literals;

constexpr auto kill_grace = 5s;  // between KILL and giving up

// A child in the background can hold the output open after the command's end. What the command
// itself wrote is under way by then and far inside these bounds.
constexpr std::chrono::nanoseconds quiet_time = 1s;   // nothing came for so long: that was all
constexpr std::chrono::nanoseconds drain_time = 10s;  // in all, without waits for the printer
constexpr std::size_t drain_bytes = 4 << 20;

constexpr auto never = 24h * 365 * 30;

}  // namespace

void supervisor::enter(stage s, std::chrono::nanoseconds limit) {
  stage_ = s;
  deadline_ = weft::clock::now() + limit;
}

bool supervisor::late() const {
  return weft::clock::now() >= deadline_ ||
         (stage_ == stage::draining && !wait_for_output_ &&
          (drain_left_ <= 0s || drained_ > drain_bytes));
}

void supervisor::run(const time_settings& times, bool wait_for_output) {
  drain_left_ = drain_time;
  kill_after_ = times.kill_after;
  wait_for_output_ = wait_for_output;
  limit_text_ = in_seconds(times.command.value_or(never));
  enter(stage::running, times.command.value_or(never));
  while (stage_ != stage::over || !block_.text.empty()) {
    // Asked here as well, since a select takes its time-out only when nothing else is ready, and
    // a command that writes without end always is.
    if (stage_ != stage::over && late())
      on_late();
    else
      select_once();
  }
  check_begun();
  for (const stream where : {stream::out, stream::err}) {
    text_block last;
    output_.finish(where, last);
    send(std::move(last));
  }
}

void supervisor::send(text_block block) {
  if (block.text.empty()) return;
  weft::select(weft::on_send(printer_, std::move(block)), weft::on_done(stop_.hard()));
}

void supervisor::select_once() {
  // A nil channel is never ready: so a case is switched off. While lines wait for the printer no
  // more output is taken, and in the end the command itself waits.
  const bool full = !block_.text.empty();
  const weft::recv_chan<std::string> no_bytes;
  const weft::recv_chan<command_end> no_end;
  const weft::send_chan<text_block> no_printer;

  const bool draining = stage_ == stage::draining && !wait_for_output_;
  const auto begin = weft::clock::now();
  const auto deadline = draining && !full ? begin + std::min(quiet_time, drain_left_) : deadline_;

  weft::select(
      weft::on_recv(full || !out_open_ ? no_bytes : command_.out,
                    [&](const std::optional<std::string>& b) { on_bytes(stream::out, b); }),
      weft::on_recv(full || !err_open_ ? no_bytes : command_.err,
                    [&](const std::optional<std::string>& b) { on_bytes(stream::err, b); }),
      weft::on_recv(stage_ == stage::over ? no_end : command_.ended,
                    [&](const std::optional<command_end>& e) { on_end(e); }),
      weft::on_send(full ? printer_ : no_printer, std::move(block_), [&] { block_.text.clear(); }),
      weft::on_done(stop_seen_ ? stop_.hard() : stop_.soft(), [&] { on_stop(); }),
      weft::on_timeout(deadline, [&] { on_late(); }));

  if (draining && !full) drain_left_ -= weft::clock::now() - begin;
}

void supervisor::end_command(verdict v, phase p, const std::string& why) {
  result_.fail(v, p, why);
  command_.signal("TERM");
  enter(stage::terminating, kill_after_);
}

void supervisor::on_stop() {
  if (stop_.hard().err() != weft::context_error::none) {
    if (stage_ == stage::running) {
      result_.fail(verdict::stopped, phase::command, stop_.reason().what());
    }
    if (stage_ == stage::running || stage_ == stage::terminating || stage_ == stage::killing)
      result_.cause += "; it may still run";
    command_.hang_up();
    block_.text.clear();
    return enter(stage::over, never);
  }
  stop_seen_ = true;
  if (stage_ != stage::running) return;
  const run_stopped reason = stop_.reason();
  end_command(reason.what_of_hosts,
              reason.what_of_hosts == verdict::timed_out ? phase::time_out : phase::command,
              reason.what());
}

void supervisor::on_late() {
  switch (stage_) {
    case stage::running:
      return end_command(verdict::timed_out, phase::time_out,
                         "the command took more than " + limit_text_);
    case stage::terminating: command_.signal("KILL"); return enter(stage::killing, kill_grace);
    case stage::killing: result_.cause += "; signals did not end it, it may still run"; break;
    case stage::draining:
      if (result_.note.empty())
        result_.note = "a process in the background held the output open and was left behind";
      break;
    case stage::over: break;
  }
  command_.hang_up();
  enter(stage::over, never);
}

void supervisor::on_bytes(stream where, const std::optional<std::string>& bytes) {
  if (!bytes) {
    (where == stream::out ? out_open_ : err_open_) = false;
    return;
  }
  output_.take(where, *bytes, block_);
  if (stage_ == stage::draining) drained_ += bytes->size();
}

void supervisor::on_end(const std::optional<command_end>& end) {
  if (!end) return enter(stage::over, never);  // all output has come before
  if (!end->lost.empty() || !end->problem.empty()) {
    if (!end->problem.empty())
      result_.fail(verdict::command_failed, phase::start, end->problem);
    else if (stage_ == stage::terminating || stage_ == stage::killing)
      result_.cause += "; then the connection was lost: " + end->lost;
    else
      result_.fail(verdict::not_connected, phase::command, "connection lost: " + end->lost);
    return;
  }
  result_.exit_code = end->status;
  result_.signal = end->signal;
  if (stage_ == stage::terminating) result_.cause += "; ended by TERM";
  if (stage_ == stage::killing) result_.cause += "; ended by KILL";
  if (stage_ == stage::running && *end->status != 0)
    result_.fail(verdict::command_failed, end->signal.empty() ? phase::command : phase::signal,
                 end->signal.empty() ? "exit status " + std::to_string(*end->status)
                                     : "ended by signal " + end->signal + " (exit status " +
                                           std::to_string(*end->status) + ')');
  enter(stage::draining, never);
}

// A server may run something else than what it was asked to, and that may even succeed. The greeting
// can come after the exit status, so this is known in the end only.
void supervisor::check_begun() {
  const bool ended_by_itself = result_.exit_code && (result_.outcome == verdict::ok ||
                                                     result_.outcome == verdict::command_failed);
  if (!ended_by_itself || command_.begun.closed()) return;
  result_.fail(verdict::command_failed, phase::start,
               "the script did not begin; " +
                   (result_.signal.empty() ? "exit status " + std::to_string(*result_.exit_code)
                                           : "ended by signal " + result_.signal));
  result_.exit_code.reset();  // it is not the script's
}

}  // namespace ssh_runner
