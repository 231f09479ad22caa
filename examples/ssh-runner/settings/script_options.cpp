// What to run.
#include <unistd.h>

#include <cstdlib>
#include <set>

#include "hosts/host_pattern.hpp"
#include "script/quote.hpp"
#include "settings/option_table.hpp"
#include "settings/secrets.hpp"

namespace ssh_runner {
namespace {

// Never sent to a host, whatever the pattern: they are for getting in.
bool is_ours(std::string_view name) {
  if (name.starts_with("SSH_RUNNER_")) return true;
  for (const char* prefix : {"PLUGIN_", "INPUT_", "SSH_", "PROXY_SSH_", "PROXY_"})
    if (name.starts_with(prefix))
      for (const char* what : {"PASSWORD", "PASSPHRASE", "KEY"})
        if (name.ends_with(what)) return true;
  return false;
}

void add_variable(script_settings& script, const std::string& text) {
  const auto equals = text.find('=');
  const std::string name = text.substr(0, equals);
  if (!is_variable_name(name)) throw usage_error("--env: '" + name + "' is no name of a variable");
  if (equals != std::string::npos)
    script.variables.emplace_back(name, text.substr(equals + 1));
  else if (const auto value = environment(name.c_str()))
    script.variables.emplace_back(name, *value);
  else
    throw usage_error("--env: there is no " + name + " in the environment here");
}

void add_variables(option_table& options, script_settings& script) {
  const auto each = [&script](const std::vector<std::string>& texts) {
    for (const std::string& text : texts) add_variable(script, text);
  };
  const auto matching = [&script](const std::vector<std::string>& patterns) {
    for (const std::string& pattern : patterns) add_matching_variables(script, pattern);
  };
  options.app()
      .add_option_function<std::vector<std::string>>(
          "-e,--env", each, "Variable for the script, with the value here or another one")
      ->allow_extra_args(false)
      ->type_name("NAME[=VALUE]")
      ->group("Script");
  options.app()
      .add_option_function<std::vector<std::string>>(
          "--env-all", matching,
          "All variables whose names match, with '*' and '?', but no passwords to get in")
      ->allow_extra_args(false)
      ->type_name("PATTERN")
      ->group("Script");
}

}  // namespace

void add_matching_variables(script_settings& script, const std::string& pattern) {
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const auto equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string name(text.substr(0, equals));
    if (is_variable_name(name) && !is_ours(name) && matches_glob(pattern, name))
      script.matching.emplace_back(name, text.substr(equals + 1));
  }
}

void keep_back(script_settings& script, const std::set<std::string>& names) {
  std::erase_if(script.matching, [&](const auto& entry) { return names.contains(entry.first); });
}

void forget_secrets(const std::set<std::string>& names) {
  std::set<std::string> all = names;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    if (const std::string_view name = text.substr(0, text.find('=')); is_ours(name))
      all.emplace(name);
  }
  for (const std::string& name : all) ::unsetenv(name.c_str());
}

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
          [append, &script](const std::string& file) {
            append(read_text_file(file, "--script-file"));
            script.from_standard_input |= file == "-";
          },
          "File that holds it; -: standard input")
      ->type_name("FILE")
      ->group("Script");
  add_variables(options, script);
  options.text(
      "--shell", script.shell, "WORDS",
      "What runs it there: a POSIX shell with its options, such as 'bash -l' (default: sh)");
  options.flag("--stop-on-error", script.stop_on_error, "End with the first command that fails");
  options.flag("-t,--request-pty", script.request_pty,
               "Give it a terminal; its stderr then comes with its stdout");
  options.flag("--sudo", script.sudo, "Run it as root, by sudo");
  options.text("--sudo-user", script.sudo_user, "NAME", "Run it as that user, by sudo");
  options.secret_file("--sudo-password-file", script.sudo_password, "Password for sudo");
  options.question("--ask-sudo-password", script.sudo_password, "Password for sudo",
                   "Ask for the password for sudo");
  if (auto password = environment("SSH_RUNNER_SUDO_PASSWORD"); password && !password->empty())
    script.sudo_password = secret(std::move(*password));
}

}  // namespace ssh_runner
