#include "run/local_command.hpp"

#include <array>
#include <optional>
#include <span>
#include <tuple>
#include <utility>

#include "run/signal_names.hpp"
#include "script/dialog.hpp"

namespace ssh_runner {
namespace {

// A process with its three pipes as the channels of a running_command.
class process {
 public:
  process(launch what, weft::command started)
      : dialog_(std::move(what)), command_(std::move(started)) {
    std::tie(ctx_, cancel_) = weft::with_cancel(weft::background());
  }

  void run(const weft::recv_chan<std::string>& orders);

  weft::chan<void> begun;
  weft::chan<std::string> out, err;
  weft::chan<command_end> ended{1};

 private:
  void read(weft::file_descriptor& from, const weft::chan<std::string>& to, bool greets);
  void feed();
  command_end wait();

  dialog dialog_;  // of the goroutine that reads stderr
  weft::command command_;
  weft::chan<std::string> problem_{1};  // of the dialog's
  weft::context ctx_;  // done: given up
  weft::cancel_function cancel_;
};

void process::run(const weft::recv_chan<std::string>& orders) {
  weft::wait_group taking_orders;  // until the running_command goes
  taking_orders.go([&] {
    for (const std::string& name : orders) command_.signal(signal_number(name));
    cancel_();
  });
  weft::wait_group readers;
  readers.go([&] { read(command_.stdout_pipe(), out, false); });
  readers.go([&] { read(command_.stderr_pipe(), err, true); });
  ended.send(wait());
  readers.wait();
  ended.close();
}

void process::read(weft::file_descriptor& from, const weft::chan<std::string>& to, bool greets) {
  try {
    std::array<std::byte, 16 << 10> buffer;  // NOLINT: filled by read
    if (greets) feed();
    while (const std::size_t n = from.read(buffer, ctx_)) {
      const std::string_view bytes(reinterpret_cast<const char*>(buffer.data()), n);
      std::string text;
      if (greets) {
        dialog_.read(bytes, text);
        if (dialog_.has_greeted() && !begun.closed()) begun.close();
      } else {
        text = bytes;
      }
      if (!text.empty()) weft::select(weft::on_send(to, std::move(text)), weft::on_done(ctx_));
      if (greets) feed();
    }
    std::string last;
    if (greets) dialog_.finish(last);
    if (!last.empty()) weft::select(weft::on_send(to, std::move(last)), weft::on_done(ctx_));
  } catch (const std::system_error&) {  // given up
  }
  to.close();
}

void process::feed() {
  try {
    while (!dialog_.to_send().empty()) {
      const std::string_view bytes = dialog_.to_send();
      const auto n = command_.stdin_pipe().write_some(std::as_bytes(std::span(bytes)), ctx_);
      dialog_.sent(n);
    }
  } catch (const std::system_error&) {  // it does not want it
    while (!dialog_.to_send().empty()) dialog_.sent(dialog_.to_send().size());
  }
  if (!dialog_.problem().empty()) problem_.try_send(dialog_.problem());
  if (dialog_.at_end() || !dialog_.problem().empty()) command_.stdin_pipe().close();
}

command_end process::wait() {
  const weft::exit_status status = command_.wait(ctx_);
  command_end end;
  if (std::optional<std::string> problem; problem_.try_recv(problem) == weft::chan_status::ok) {
    end.problem = std::move(*problem);
  } else if (status.signal) {
    end.status = 128 + *status.signal;
    end.signal = signal_name(*status.signal);
  } else if (status.code) {
    end.status = *status.code;
  } else {
    end.lost = "its exit status is not known";
  }
  return end;
}

}  // namespace

std::unique_ptr<running_command> local_transport::start(const planned_host& host, attempt& a) {
  a.enter(phase::start);
  launch what = launcher_.for_host(host.label);
  weft::command shell("sh", {"-c", "exec " + what.command});
  shell.stdin_from(weft::stdio::pipe).stdout_to(weft::stdio::pipe).stderr_to(weft::stdio::pipe);
  try {
    shell.start();
  } catch (const std::system_error& error) {
    a.fail(error.what());
  }
  auto p = std::make_unique<process>(std::move(what), std::move(shell));
  auto command = std::make_unique<running_command>();
  command->begun = p->begun;
  command->out = p->out;
  command->err = p->err;
  command->ended = p->ended;
  command->run_behind([p = std::move(p), orders = command->orders()] { p->run(orders); });
  return command;
}

}  // namespace ssh_runner
