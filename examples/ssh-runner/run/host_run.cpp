#include "run/host_run.hpp"

#include <algorithm>

#include "output/line_splitter.hpp"
#include "run/remote_command.hpp"
#include "text/duration.hpp"

namespace ssh_runner {
namespace {

using namespace std::chrono_literals;
using time_point = weft::clock::time_point;

constexpr auto term_grace = 2s;  // between TERM and KILL
constexpr auto kill_grace = 1s;  // between KILL and giving up

// A child in the background can hold the output open after the command's end. What the command
// itself wrote is under way by then and far inside these bounds.
constexpr std::chrono::nanoseconds quiet_time = 1s;   // nothing came for so long: that was all
constexpr std::chrono::nanoseconds drain_time = 10s;  // in all, without waits for the printer
constexpr std::size_t drain_bytes = 4 << 20;

constexpr auto never = 24h * 365 * 30;

// Passes a command's output on until it ends, and ends it when its time is over.
class supervisor {
 public:
  supervisor(remote_command& command, const std::string& label, weft::send_chan<text_block> printer,
             result& r)
      : command_(command), printer_(std::move(printer)), result_(r), out_(label), err_(label) {}

  void run(std::optional<std::chrono::nanoseconds> limit);

 private:
  enum class stage { running, terminating, killing, draining, over };

  void enter(stage s, std::chrono::nanoseconds limit) {
    stage_ = s;
    deadline_ = weft::clock::now() + limit;
  }
  bool late() const {
    return weft::clock::now() >= deadline_ || drain_left_ <= 0s || drained_ > drain_bytes;
  }
  void select_once();
  void on_late();
  void on_bytes(stream where, const std::optional<std::string>& bytes);
  void on_end(const std::optional<command_end>& end);

  remote_command& command_;
  weft::send_chan<text_block> printer_;
  result& result_;

  line_splitter out_, err_;
  bool out_open_ = true;
  bool err_open_ = true;
  text_block block_;  // whole lines that the printer has not taken yet

  stage stage_ = stage::running;
  time_point deadline_;
  std::string limit_text_;
  std::chrono::nanoseconds drain_left_ = drain_time;
  std::size_t drained_ = 0;
};

void supervisor::run(std::optional<std::chrono::nanoseconds> limit) {
  enter(stage::running, limit.value_or(never));
  limit_text_ = in_seconds(limit.value_or(never));
  while (stage_ != stage::over || !block_.text.empty()) {
    // Asked here as well, since a select takes its time-out only when nothing else is ready, and
    // a command that writes without end always is.
    if (stage_ != stage::over && late())
      on_late();
    else
      select_once();
  }
  for (const stream where : {stream::out, stream::err}) {
    text_block last{where, {}};
    (where == stream::out ? out_ : err_).finish(last.text);
    if (!last.text.empty()) printer_.send(std::move(last));
  }
}

void supervisor::select_once() {
  // A nil channel is never ready: so a case is switched off. While lines wait for the printer no
  // more output is taken, and in the end the command itself waits.
  const bool full = !block_.text.empty();
  const weft::recv_chan<std::string> no_bytes;
  const weft::recv_chan<command_end> no_end;
  const weft::send_chan<text_block> no_printer;

  const bool draining = stage_ == stage::draining;
  const auto begin = weft::clock::now();
  const auto deadline = draining && !full ? begin + std::min(quiet_time, drain_left_) : deadline_;

  weft::select(
      weft::on_recv(full || !out_open_ ? no_bytes : command_.out(),
                    [&](const std::optional<std::string>& b) { on_bytes(stream::out, b); }),
      weft::on_recv(full || !err_open_ ? no_bytes : command_.err(),
                    [&](const std::optional<std::string>& b) { on_bytes(stream::err, b); }),
      weft::on_recv(stage_ == stage::over ? no_end : command_.ended(),
                    [&](const std::optional<command_end>& e) { on_end(e); }),
      weft::on_send(full ? printer_ : no_printer, std::move(block_), [&] { block_.text.clear(); }),
      weft::on_timeout(deadline, [&] { on_late(); }));

  if (draining && !full) drain_left_ -= weft::clock::now() - begin;
}

void supervisor::on_late() {
  switch (stage_) {
    case stage::running:
      result_.fail(verdict::timed_out, phase::time_out, "the command took more than " + limit_text_);
      command_.signal("TERM");
      return enter(stage::terminating, term_grace);
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
  block_.where = where;
  (where == stream::out ? out_ : err_).feed(*bytes, block_.text);
  if (stage_ == stage::draining) drained_ += bytes->size();
}

void supervisor::on_end(const std::optional<command_end>& end) {
  if (!end) return enter(stage::over, never);  // all output has come before
  if (!end->lost.empty()) {
    if (result_.outcome == verdict::timed_out)
      result_.cause += "; then the connection was lost: " + end->lost;
    else
      result_.fail(verdict::not_connected, phase::command, "connection lost: " + end->lost);
    return;
  }
  result_.exit_code = end->status;
  if (stage_ == stage::terminating) result_.cause += "; ended by TERM";
  if (stage_ == stage::killing) result_.cause += "; ended by KILL";
  if (stage_ == stage::running && *end->status != 0)
    result_.fail(verdict::command_failed, end->signal.empty() ? phase::command : phase::signal,
                 end->signal.empty() ? "exit status " + std::to_string(*end->status)
                                     : "ended by signal " + end->signal + " (exit status " +
                                           std::to_string(*end->status) + ')');
  enter(stage::draining, never);
}

}  // namespace

result run_on(const planned_host& host, shared_state& shared,
              const weft::send_chan<text_block>& printer) {
  result r;
  r.label = host.label;
  try {
    std::atomic<phase> at{phase::waiting};
    attempt a(host.to->connect_timeout, shared.ctx, at);
    auto on = shared.connections.connect(*host.to, a);
    const auto command = std::make_unique<remote_command>(std::move(on), shared.script, a);
    r.outcome = verdict::ok;
    supervisor(*command, host.label, printer, r).run(shared.times.command);
  } catch (const failure& f) {
    r.fail(f.what_kind, f.where, f.what());
  } catch (const std::exception& error) {
    r.fail(verdict::not_connected, phase::command, std::string("internal error: ") + error.what());
  }
  return r;
}

}  // namespace ssh_runner
