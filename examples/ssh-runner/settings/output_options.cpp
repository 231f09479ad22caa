// Where output goes, and what is said in the end.
#include <unistd.h>

#include "output/sinks.hpp"
#include "settings/option_table.hpp"

namespace ssh_runner {
namespace {

void set_colours(prefix_settings& prefix, const std::string& when) {
  const bool wanted = !environment("NO_COLOR") || environment("NO_COLOR")->empty();
  prefix.colour_stdout = when == "always" || (when == "auto" && wanted && isatty(STDOUT_FILENO));
  prefix.colour_stderr = when == "always" || (when == "auto" && wanted && isatty(STDERR_FILENO));
}

}  // namespace

void add_output_options(option_table& options, settings& all) {
  output_settings& output = all.output;
  options.group("Output");
  options
      .text("--prefix", output.prefix.format, "FORMAT",
            "Before each line, of {label} {host} {user} {port} {index} {stream} {time:%T} "
            "(default: '{label}: ')")
      ->check(check_prefix);
  options.app()
      .add_flag_callback(
          "-N,--no-prefix", [&output] { output.prefix.format.clear(); }, "Lines as they are")
      ->group("Output");
  set_colours(output.prefix, "auto");
  options.app()
      .add_option_function<std::string>(
          "--color", [&output](const std::string& when) { set_colours(output.prefix, when); },
          "auto (default), always or never")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->type_name("WHEN")
      ->group("Output");
  options.flag("-b,--fold", output.fold, "In the end, identical outputs once with all their hosts");
  options.flag("--diff", output.diff, "The same, others as differences to the most common");
  options.flag("--live", output.live, "With --fold: lines as they come, too");
  options.flag("--json", output.json, "A JSON object for each line, and one for each host");
  options.text("-o,--output-dir", output.dir, "DIR", "Also keep DIR/HOST.out and DIR/HOST.err");
  options.flag("-q,--quiet", output.quiet, "Nothing but output and failures");
  options.flag("--debug", output.debug, "Say what is going to be done, and do it; no secrets");
  output.progress = isatty(STDERR_FILENO) != 0;
  options.flag("--progress,!--no-progress", output.progress,
               "A line on stderr that tells how far it is (default: if that is a terminal)");
  options.text("--failed-file", all.ending.failed_file, "FILE",
               "Write the hosts that failed, for --hosts-file");
  options.flag("-S,--highest-status", all.ending.highest_status,
               "Exit with the highest status of a script, 255 for a host that did not come so "
               "far or was left out, at least 1 if a host failed");
}

}  // namespace ssh_runner
