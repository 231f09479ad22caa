#include "settings.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdlib>
#include <thread>

settings parse_command_line(int argc, char** argv) {
  settings s;
  s.jobs = std::max(1u, std::thread::hardware_concurrency());
  double timeout = 0;
  double grace = 2;
  CLI::App app("Runs the commands that standard input holds, one a line, several at once.");
  app.add_option("-j,--jobs", s.jobs, "how many at once")->check(CLI::Range(1u, 10000u));
  app.add_flag("--live", s.live, "print lines as they come, with the job's number");
  app.add_option("--timeout", timeout, "seconds that each may take")->check(CLI::PositiveNumber);
  app.add_option("--grace", grace, "seconds between SIGTERM and SIGKILL")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    std::exit(app.exit(e) == 0 ? 0 : 255);
  }
  using seconds = std::chrono::duration<double>;
  if (timeout > 0) s.timeout = std::chrono::duration_cast<std::chrono::nanoseconds>(seconds(timeout));
  s.grace = std::chrono::duration_cast<std::chrono::milliseconds>(seconds(grace));
  return s;
}
