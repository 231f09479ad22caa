// ssh-runner: runs a script on many hosts at once. See README.md.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <exception>
#include <filesystem>
#include <iostream>
#include <sstream>
#include <string>
#include <system_error>
#include <weft/weft.hpp>

#include "plan/describe.hpp"
#include "plan/plan.hpp"
#include "report/exit_status.hpp"
#include "report/failed_file.hpp"
#include "report/summary.hpp"
#include "run/runner.hpp"
#include "settings/command_line.hpp"
#include "settings/secrets.hpp"

namespace {

using namespace ssh_runner;

// Every host takes a descriptor, and the usual limit of 1,024 is only a default.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int status_of(const report& all, const settings& asked) {
  if (all.signal != 0) return 128 + all.signal;
  const auto unkept = [](const result& r) { return !r.unkept.empty(); };
  if (!all.output_error.empty() || std::ranges::any_of(all.results, unkept)) return 6;
  if (asked.ending.highest_status) return highest_exit_status(all.results);
  return std::max(exit_status(all.results), all.timed_out ? 4 : 0);
}

// To stderr. Somebody has to read that; when we were told to leave, whoever does not do it now is not waited for.
void say_in_the_end(const std::string& text, bool told_to_leave) {
  const auto [ctx, leave] = weft::with_cancel(weft::background());
  if (told_to_leave) leave();
  try {
    weft::file_descriptor::duplicate(STDERR_FILENO).write(text, ctx);
  } catch (const std::system_error&) {  // there is no other place to say it
  }
}

int checked_main(int argc, char** argv) {
  std::optional<settings> asked = read_command_line(argc, argv);
  if (!asked) return 0;
  const plan planned = make_plan(*asked);
  keep_back(asked->script, planned.password_variables);
  forget_secrets(planned.password_variables);
  for (const std::string& warning : planned.warnings)
    std::cerr << "ssh-runner: " << warning << '\n';
  if (asked->run.dry_run) {
    describe(std::cout, *asked, planned);
    return 0;
  }
  if (asked->output.debug) describe(std::cerr, *asked, planned);
  if (!asked->output.dir.empty()) std::filesystem::create_directories(asked->output.dir);
  std::signal(SIGPIPE, SIG_IGN);  // libssh writes to its sockets without MSG_NOSIGNAL
  raise_descriptor_limit();

  const auto begin = weft::clock::now();
  // libssh's deepest call takes 22 KiB of stack here; there is room for other builds of it.
  const report all =
      weft::run({.stack_size = 256 << 10}, [&] { return runner(*asked, planned).run(); });
  std::ostringstream words;
  print_summary(words, all.results, weft::clock::now() - begin, asked->output.quiet);
  if (!all.output_error.empty())
    words << "ssh-runner: some output is lost: " << all.output_error << '\n';
  // The file first: who reads the words may have stopped.
  std::exception_ptr unwritten;
  try {
    if (!asked->ending.failed_file.empty())
      write_failed_file(asked->ending.failed_file, planned, all.results);
  } catch (const std::system_error&) {
    unwritten = std::current_exception();
  }
  say_in_the_end(words.str(), all.told_to_leave);
  if (unwritten) std::rethrow_exception(unwritten);
  return status_of(all, *asked);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return checked_main(argc, argv);
  } catch (const usage_error& error) {
    std::cerr << "ssh-runner: " << error.what() << "\nTry ssh-runner --help\n";
    return 2;
  } catch (const std::system_error& error) {
    std::cerr << "ssh-runner: " << error.what() << '\n';
    return 6;
  } catch (const std::exception& error) {
    std::cerr << "ssh-runner: internal error: " << error.what() << '\n';
    return 70;
  }
}
