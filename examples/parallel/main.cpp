// parallel: runs commands from standard input, several at once. README.md beside this file says how.
#include <weft/weft.hpp>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <string>
#include <utility>

#include "job.hpp"
#include "printer.hpp"
#include "settings.hpp"

namespace {

constexpr int most_failures_told = 100;
constexpr int interrupted = 130;  // as a shell says of a command that SIGINT ended

int run_all(const settings& s) {
  printer out;
  std::atomic<int> failures{0};
  auto [ctx, cancel] = weft::with_cancel(weft::background());

  const auto signals = weft::notify_signals({SIGINT, SIGTERM});
  auto listener = weft::spawn([signals, &out, &cancel = cancel] {
    if (!signals.recv()) return;
    out.note("stopping");
    cancel();
    weft::stop_signals(signals);  // the second one is not asked to wait
  });

  weft::task_group group;
  group.set_limit(s.jobs);
  unsigned number = 0;
  for (std::string& line : weft::lines(weft::file_descriptor::duplicate(0), ctx)) {
    // Waits for a place: no more lines are read than can be run.
    group.go([&, ctx = ctx, one = job{++number, std::move(line)}] {
      if (ctx.err() != weft::context_error::none) return;
      const weft::exit_status status = one.run(ctx, s, out);
      if (status.ok() && !status.limit_reached) return;
      ++failures;
      out.note("job " + std::to_string(one.number) + ": " + status.to_string() + ": " + one.line);
    });
  }
  group.wait();
  weft::stop_signals(signals);
  listener.wait();
  if (ctx.err() != weft::context_error::none) return interrupted;
  return std::min(failures.load(), most_failures_told + 1);
}

}  // namespace

int main(int argc, char** argv) {
  const settings s = parse_command_line(argc, argv);
  return weft::run([&] { return run_all(s); });
}
