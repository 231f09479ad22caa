#include "job.hpp"

#include <array>
#include <cstddef>
#include <functional>
#include <tuple>
#include <utility>

namespace {

std::string everything(weft::file_descriptor from) {
  std::string text;
  std::array<std::byte, 1 << 14> buffer;
  while (const std::size_t n = from.read(buffer)) {
    text.append(reinterpret_cast<const char*>(buffer.data()), n);
  }
  return text;
}

void print_lines(weft::file_descriptor from, unsigned job, bool is_error, printer& to) {
  for (const std::string& line : weft::lines(std::move(from))) to.line(job, is_error, line);
}

}  // namespace

weft::exit_status job::run(weft::context ctx, const settings& s, printer& to) const {
  weft::command shell("sh", {"-c", line});
  shell.stdin_from(weft::stdio::null).stdout_to(weft::stdio::pipe).stderr_to(weft::stdio::pipe);
  shell.kill_grace(s.grace).start();

  weft::cancel_function stop;
  if (s.timeout) std::tie(ctx, stop) = weft::with_timeout(ctx, *s.timeout);
  // Its output is read beside the wait: it could not go on with a full pipe.
  if (s.live) {
    auto out = weft::spawn(print_lines, std::move(shell.stdout_pipe()), number, false, std::ref(to));
    auto err = weft::spawn(print_lines, std::move(shell.stderr_pipe()), number, true, std::ref(to));
    const weft::exit_status status = shell.wait(ctx);
    out.get();
    err.get();
    return status;
  }
  auto out = weft::spawn(everything, std::move(shell.stdout_pipe()));
  auto err = weft::spawn(everything, std::move(shell.stderr_pipe()));
  const weft::exit_status status = shell.wait(ctx);
  to.whole(out.get(), err.get());
  return status;
}
