#include "settings/command_line.hpp"

#include "connect/session.hpp"
#include "settings/drone_environment.hpp"
#include "settings/option_table.hpp"

namespace ssh_runner {
namespace {

constexpr const char* description =
    "Runs a script on many hosts at once over SSH and prints what it writes, line by line, with "
    "the\n"
    "host in front.";

constexpr const char* footer =
    "Examples:\n"
    "  ssh-runner --host 'web[01-20],!web07' uptime\n"
    "  ssh-runner --hosts-file hosts --script-file deploy.sh --stop-on-error --env VERSION=1.4\n"
    "  ssh-runner --inventory hosts.yaml --host @web --diff cat /etc/resolv.conf\n"
    "  ssh-runner --jump gate --host 'db[1-3]' --sudo --ask-sudo-password systemctl restart db\n"
    "  ssh-runner --transport local --host 'try[1-3]' 'echo \"I am $SSH_RUNNER_HOST\"'\n"
    "\n"
    "Exit status: 0 all went well; 1 a script failed; 2 bad usage; 3 a host could not be "
    "connected\n"
    "or logged in to; 4 a time-out; 5 a host key was refused; 6 the output could not be written;\n"
    "128 + n ended by signal n. The highest one of 0 to 6 counts.";

void check(const settings& asked) {
  if (asked.script.text.empty())
    throw usage_error("no script: give a COMMAND, --script or --script-file");
  if (const std::string bad = check_algorithms(asked.algorithms); !bad.empty())
    throw usage_error(bad);
  if (asked.script.request_pty && asked.run.transport == transport_kind::local)
    throw usage_error("--request-pty: not with --transport local");
  if (asked.output.json && (asked.output.fold || asked.output.diff))
    throw usage_error("--json: not with --fold or --diff, which print text");
  if (asked.times.connect && asked.times.connect->count() == 0)
    throw usage_error("--connect-timeout: must be more than 0");
}

// Words after the options are one line for the shell, as with ssh.
void append_command(std::string& script, const std::vector<std::string>& words) {
  if (words.empty()) return;
  if (!script.empty() && !script.ends_with('\n')) script += '\n';
  for (const std::string& word : words) script += (&word == &words.front() ? "" : " ") + word;
}

// Jump hosts are entered like the others unless something is said of them.
void complete_jump_login(settings& asked) {
  login_settings& jump = asked.jump_login;
  if (jump.key_files.empty() && !jump.key_text && !jump.password) {
    jump.key_files = asked.login.key_files;
    jump.key_text = asked.login.key_text;
    jump.password = asked.login.password;
    if (!jump.passphrase) jump.passphrase = asked.login.passphrase;
  }
  jump.use_agent = asked.login.use_agent;
  jump.identities_only = asked.login.identities_only;
}

}  // namespace

std::optional<settings> read_command_line(int argc, char** argv) {
  settings asked;
  CLI::App app(description, "ssh-runner");
  option_table options(app);
  add_host_options(options, asked.hosts, asked.times);
  add_login_options(options, asked);
  add_script_options(options, asked);
  add_run_options(options, asked);
  add_output_options(options, asked);
  std::vector<std::string> command;
  app.add_option("COMMAND", command, "The script, as words; nothing after it is an option")
      ->group("Script");
  app.positionals_at_end();
  app.footer(footer);

  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    app.exit(help);
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    throw usage_error(error.what());
  }
  append_command(asked.script.text, command);
  complete_from_drone(asked);
  check(asked);
  options.ask();
  if (environment("SSH_AUTH_SOCK").value_or("").empty()) asked.login.use_agent = false;
  complete_jump_login(asked);
  if (asked.times.command &&
      (asked.times.command->count() == 0 || *asked.times.command >= no_limit))
    asked.times.command.reset();
  if (asked.times.all && asked.times.all->count() == 0) asked.times.all.reset();
  if (!asked.script.sudo_user.empty()) asked.script.sudo = true;
  if (asked.output.diff) asked.output.fold = true;
  if (asked.output.quiet) asked.output.progress = false;
  return asked;
}

}  // namespace ssh_runner
