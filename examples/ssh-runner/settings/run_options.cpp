// How many hosts at a time, for how long, and when to give up.
#include "settings/option_table.hpp"
#include "text/duration.hpp"

namespace ssh_runner {

void add_run_options(option_table& options, settings& all) {
  run_settings& run = all.run;
  options.group("Run");
  options.number<std::size_t>("-f,--fanout", run.fanout, 1, 1'000'000,
                              "Hosts at a time (default: 100)");
  options.app()
      .add_flag_callback("--sync", [&run] { run.fanout = 1; }, "One host after the other")
      ->group("Run");
  options.app()
      .add_option_function<std::string>(
          "--transport",
          [&run](const std::string& word) {
            run.transport = word == "local" ? transport_kind::local : transport_kind::ssh;
          },
          "ssh (default), or local: processes here, SSH_RUNNER_HOST tells them apart")
      ->check(CLI::IsMember({"ssh", "local"}))
      ->type_name("WORD")
      ->group("Run");
  options.flag("-n,--dry-run", run.dry_run, "Say what would be done, and do nothing");
  options.flag("--fail-fast", run.fail_fast, "The first failure ends all others");
  options.app()
      .add_option_function<std::size_t>("--max-failures",
                                        [&run](std::size_t n) { run.max_failures = n; },
                                        "After so many no further host is begun")
      ->type_name("N")
      ->group("Run");
  options.number<int>("--retries", run.retries, 0, 1000,
                      "Try again so often to connect (default: 0)");
  options.time("--retry-delay", run.retry_delay,
               "Before the first of them, then twice as long each time (default: 1s)");
  options.time("--command-timeout", all.times.command, "For the script (default: none)");
  options.time("--timeout", all.times.all, "For all hosts together (default: none)");
  options.time("--kill-after", all.times.kill_after, "Between TERM and KILL (default: 2s)");
  options.time("--keep-alive", all.times.keep_alive,
               "Ask a silent host so often whether it is there; 0: never (default: 30s)");
  options.flag("--wait-for-output", run.wait_for_output,
               "Wait for children that hold the output open after the script's end");
}

}  // namespace ssh_runner
