#include "run/runner.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <random>
#include <system_error>
#include <tuple>
#include <utility>

#include "run/local_command.hpp"
#include "run/signal_names.hpp"
#include "run/supervisor.hpp"
#include "settings/environment.hpp"

namespace ssh_runner {
namespace {

constexpr unsigned handshakes_per_worker = 16;
constexpr duration longest_retry_delay = std::chrono::seconds(60);

std::unique_ptr<transport> make_transport(const settings& asked, fair_clock& clock,
                                          const weft::context& ctx) {
  if (asked.run.transport == transport_kind::local)
    return std::make_unique<local_transport>(asked.script);
  return std::make_unique<ssh_transport>(asked, environment("SSH_AUTH_SOCK").value_or(""),
                                         handshakes_per_worker * weft::workers(), clock, ctx);
}

// Of these signals, those that were not to be ignored from the beginning, as nohup does it.
std::vector<int> not_ignored(std::initializer_list<int> numbers) {
  std::vector<int> result;
  for (const int number : numbers) {
    struct sigaction now {};
    if (sigaction(number, nullptr, &now) == 0 && now.sa_handler != SIG_IGN)
      result.push_back(number);
  }
  return result;
}

// A goroutine that runs as long as this lives. Its context tells it when that is over.
class companion {
 public:
  template <class F>
  explicit companion(F f) {
    std::tie(over_, end_) = weft::with_cancel(weft::background());
    goroutine_.go([f = std::move(f), over = over_] { f(over); });
  }
  companion(const companion&) = delete;
  companion& operator=(const companion&) = delete;
  ~companion() {
    const weft::exit_guard finish;
    end_();
    goroutine_.wait();
  }

 private:
  weft::context over_;
  weft::cancel_function end_;
  weft::wait_group goroutine_;
};

// A place of --fanout that was taken: given back however its holder ends.
class place {
 public:
  explicit place(const weft::chan<void>& of) : of_(of) {}
  place(const place&) = delete;
  place& operator=(const place&) = delete;
  ~place() { of_.try_recv(); }  // what was sent is there

 private:
  const weft::chan<void>& of_;
};

}  // namespace

// The signals that we act on, from now until the end of this life.
class heard_signals {
 public:
  heard_signals() {
    auto next = ending_.begin();
    for (const int number : not_ignored({SIGINT, SIGTERM, SIGHUP}))
      *next++ = weft::notify_signals({number});
  }
  heard_signals(const heard_signals&) = delete;
  heard_signals& operator=(const heard_signals&) = delete;
  ~heard_signals() {
    weft::stop_signals(status_);
    for (const auto& channel : ending_)
      if (channel) weft::stop_signals(channel);
  }
  const weft::recv_chan<int>& status() const { return status_; }
  // One each; those that are ignored are nil channels.
  const std::array<weft::recv_chan<int>, 3>& ending() const { return ending_; }

 private:
  weft::recv_chan<int> status_ = weft::notify_signals({SIGUSR1});
  std::array<weft::recv_chan<int>, 3> ending_;
};

runner::runner(const settings& asked, const plan& planned)
    : asked_(asked),
      plan_(planned),
      board_(planned),
      stop_(asked.times),
      printer_(board_, asked.output.progress, stop_.hard()),
      transport_(make_transport(asked, clock_, stop_.hard())),
      places_(asked.run.fanout) {}

report runner::run() {
  report all;
  for (const planned_host& host : plan_.hosts) all.results.emplace_back().label = host.label;
  {
    // Before the first host begins: a signal that comes then must not kill us.
    const heard_signals heard;
    const companion watcher([&](const weft::context& over) { watch(heard, over); });
    run_hosts(all.results);
    if (asked_.output.json) tell_not_run(all.results);
    if (asked_.output.fold) print_folded();
    all.output_error = printer_.finish();  // may wait for a reader, and a signal ends that
  }
  all.signal = signal_;
  all.told_to_leave = stop_.stopping_now();
  const auto not_run = [](const result& r) { return r.outcome == verdict::not_run; };
  all.timed_out = std::ranges::any_of(all.results, not_run) && stop_.stopping() &&
                  stop_.reason().what_of_hosts == verdict::timed_out;
  return all;
}

void runner::run_hosts(std::vector<result>& results) {
  weft::task_group hosts;
  for (std::size_t i = 0; i < plan_.hosts.size() && !stop_.stopping(); ++i) {
    // Waits for a place.
    bool go_on = true;
    weft::select(weft::on_send(places_), weft::on_done(stop_.soft(), [&] { go_on = false; }));
    const auto most = asked_.run.max_failures;
    if (!go_on || (most && failed_ >= *most)) break;
    hosts.go([this, i, &r = results[i]] {
      const place held(places_);
      try {
        r = run_host(i);
        note_end(r);
      } catch (...) {  // an error of ours, which wait() rethrows
        stop_.stop(verdict::stopped, "stopped by an internal error");
        throw;
      }
    });
  }
  hosts.wait();
}

// Lines that are typed on the terminal, if we have one and it is ours to read.
weft::recv_chan<std::string> runner::typed_lines(const weft::context& over) {
  if (isatty(STDIN_FILENO) == 0 || tcgetpgrp(STDIN_FILENO) != getpgrp()) return {};
  try {
    return weft::lines(weft::file_descriptor::duplicate(STDIN_FILENO), over);
  } catch (const std::system_error&) {  // no descriptor is left: then without
    return {};
  }
}

// Signals, and Enter on the terminal.
void runner::watch(const heard_signals& heard, const weft::context& over) {
  weft::recv_chan<std::string> entered = typed_lines(over);
  const auto end = [this](std::optional<int> number) {
    if (number) on_signal(*number);
  };
  const auto& ending = heard.ending();
  for (bool go_on = true; go_on;)
    weft::select(weft::on_recv(heard.status(), [&](const auto&) { printer_.show_status(); }),
                 weft::on_recv(entered,
                               [&](const std::optional<std::string>& line) {
                                 if (line)
                                   printer_.show_status();
                                 else
                                   entered = {};
                               }),
                 weft::on_recv(ending[0], end), weft::on_recv(ending[1], end),
                 weft::on_recv(ending[2], end), weft::on_done(over, [&] { go_on = false; }));
}

// The first one ends the run in good order, the next one at once.
void runner::on_signal(int number) {
  if (signal_.exchange(number) != 0) return stop_.stop_now();
  const std::string name = "SIG" + signal_name(number);
  stop_.stop(verdict::stopped, "stopped by " + name);
  printer_.input().try_send(
      {stream::err, "ssh-runner: " + name + ": ending the commands; once more to leave at once\n"});
}

void runner::note_end(const result& r) {
  if (r.outcome == verdict::ok) return;
  ++failed_;
  if (asked_.run.fail_fast) stop_.stop(verdict::stopped, "stopped after the failure of " + r.label);
}

result runner::run_host(std::size_t index) {
  const planned_host& host = plan_.hosts[index];
  host_status& status = board_.host(index);
  status.begin();
  result r;
  r.label = host.label;
  host_output output = make_output(host, index);
  try {
    if (const auto command = start(host, index, r)) {
      const auto begin = weft::clock::now();
      r.outcome = verdict::ok;
      r.where = phase::done;
      status.at() = phase::command;
      supervisor(*command, output, printer_.input(), stop_, r)
          .run(asked_.times, asked_.run.wait_for_output);
      r.running = weft::clock::now() - begin;
    }
  } catch (const std::system_error& error) {
    r.fail(verdict::not_connected, status.at(), error.code().message());
  } catch (const std::exception& error) {
    r.fail(verdict::not_connected, status.at(), std::string("internal error: ") + error.what());
  }
  text_block last;
  output.ended(r, last);
  if (!last.text.empty()) printer_.input().send(std::move(last));
  r.unkept = output.problem();
  status.end(r.outcome != verdict::ok);
  return r;
}

// Null: it failed, and that stands in the result.
std::unique_ptr<running_command> runner::start(const planned_host& host, std::size_t index,
                                               result& r) {
  const auto begin = weft::clock::now();
  for (;;) {
    ++r.attempts;
    try {
      attempt a(host.to->connect_timeout, clock_, stop_.soft(), board_.host(index).at());
      auto command = transport_->start(host, a);
      r.connecting = weft::clock::now() - begin;
      return command;
    } catch (const failure& f) {
      r.connecting = weft::clock::now() - begin;
      if (f.what_kind == verdict::stopped) {
        const run_stopped reason = stop_.reason();
        r.fail(reason.what_of_hosts, f.where, reason.what());
        return nullptr;
      }
      r.fail(f.what_kind, f.where, f.what());
      if (r.attempts > 1) r.cause += fmt::format(" (attempt {})", r.attempts);
      if (!f.may_pass() || r.attempts > asked_.run.retries || !wait_to_retry(r.attempts))
        return nullptr;
    }
  }
}

duration retry_delay(duration first, int attempts, double spread) {
  const double factor = static_cast<double>(1U << std::min(attempts - 1, 16)) * spread;
  // In double: the product may be more than a duration holds.
  const double delay = std::min(static_cast<double>(first.count()) * factor,
                                static_cast<double>(std::max(longest_retry_delay, first).count()));
  return duration(static_cast<duration::rep>(delay));
}

// False: the run ends meanwhile.
bool runner::wait_to_retry(int attempts) {
  std::minstd_rand random(std::random_device{}());
  const double spread = std::uniform_real_distribution<double>(0.5, 1.0)(random);
  bool go_on = true;
  weft::select(weft::on_timeout(retry_delay(asked_.run.retry_delay, attempts, spread)),
               weft::on_done(stop_.soft(), [&] { go_on = false; }));
  return go_on;
}

host_output runner::make_output(const planned_host& host, std::size_t index) {
  const output_settings& asked = asked_.output;
  std::unique_ptr<renderer> shown;
  if (asked.json)
    shown = make_json_renderer(host);
  else if (asked.live || !asked.fold)
    shown = make_prefix_renderer(host, index, asked.prefix);
  std::vector<std::unique_ptr<recorder>> kept;
  if (asked.fold) kept.push_back(folder_.recorder_for(host.label));
  std::string problem;
  try {
    if (!asked.dir.empty()) kept.push_back(make_file_recorder(host, index, asked.dir));
  } catch (const std::system_error& error) {
    problem = error.what();
  }
  return {std::move(shown), std::move(kept), std::move(problem)};
}

// Those that did run have told it themselves.
void runner::tell_not_run(const std::vector<result>& results) {
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (results[i].outcome != verdict::not_run) continue;
    text_block block;
    make_json_renderer(plan_.hosts[i])->ended(results[i], block.text);
    printer_.input().send(std::move(block));
  }
}

void runner::print_folded() {
  for (const stream s : {stream::out, stream::err}) {
    const bool colour =
        s == stream::out ? asked_.output.prefix.colour_stdout : asked_.output.prefix.colour_stderr;
    std::string text = folder_.shown(s, {asked_.output.diff, colour});
    if (!text.empty()) printer_.input().send({s, std::move(text)});
  }
}

}  // namespace ssh_runner
