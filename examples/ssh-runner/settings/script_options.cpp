// What to run.
#include "settings/option_table.hpp"

namespace ssh_runner {

void add_script_options(option_table& options, settings& all) {
  script_settings& script = all.script;
  options.group("Script");
  const auto append = [&script](const std::string& text) {
    if (!script.text.empty() && !script.text.ends_with('\n')) script.text += '\n';
    script.text += text;
  };
  options.app()
      .add_option_function<std::vector<std::string>>(
          "-s,--script,--command",
          [append](const std::vector<std::string>& texts) {
            for (const std::string& text : texts) append(text);
          },
          "The script; when repeated, one after the other")
      ->allow_extra_args(false)
      ->type_name("TEXT")
      ->group("Script");
  options.app()
      .add_option_function<std::string>(
          "--script-file",
          [append](const std::string& file) { append(read_text_file(file, "--script-file")); },
          "File that holds it; -: standard input")
      ->type_name("FILE")
      ->group("Script");
  options.time("--command-timeout", all.times.command, "For the script (default: none)");
}

}  // namespace ssh_runner
