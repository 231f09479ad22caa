#include "script/launch.hpp"

#include <fmt/format.h>

#include <random>
#include <utility>

#include "script/quote.hpp"

namespace ssh_runner {
namespace {

// All of it is put into single quotes, since the user's login shell need not be sh; so it must have
// none itself. {0}: the mark, {1}: the end of the script.
constexpr const char* check_and_run =
    "case $__script in *\"{1}\") ;; "
    "*) echo \"ssh-runner: the script was cut off on its way\" >&2; exit 255;; esac; "
    "__script=${{__script%\"{1}\"}}; ";

constexpr const char* over_pipe = "printf \"{0} %s\\n\" $$ >&2; unset __script; __script=$(cat); ";

// The terminal must neither show the script nor look for control characters in it.
constexpr const char* over_terminal =
    "__tty=$(stty -g); stty raw -echo; printf \"{0} %s\\n\" $$; unset __script; "
    "__script=$(sed \"/^{1}$/q\"); stty \"$__tty\" -echo -onlcr; ";

std::string random_text() {
  std::random_device device;
  return fmt::format("{:08x}{:08x}", device(), device());
}

// "export {NAME}={VALUE}", with the value as one word.
std::string formatted(const std::string& format, const std::string& name,
                      const std::string& value) {
  std::string text = format;
  for (const auto& [what, with] : {std::pair<std::string, std::string>("{NAME}", name),
                                   std::pair<std::string, std::string>("{VALUE}", shell_quoted(value))})
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size())
      text.replace(at, what.size(), with);
  return text + "; ";
}

}  // namespace

launcher::launcher(const script_settings& asked)
    : asked_(asked),
      nonce_(random_text()),
      mark_("\036ssh-runner:" + nonce_),
      end_("#end:" + nonce_),
      script_(std::make_shared<const std::string>(asked.text)) {
  for (const auto* some : {&asked.matching, &asked.variables})
    for (const auto& [name, value] : *some)
      variables_ += formatted(asked.variable_format, name, value);
}

launch launcher::for_host(const std::string& host) const {
  launch result;
  result.pty = asked_.request_pty;
  result.waits_for_greeting = asked_.request_pty || asked_.sudo;
  result.sudo_password = asked_.sudo_password;
  result.mark = mark_;
  // On the script's first line, so that the shell's messages have the right line numbers.
  result.before = fmt::format("export SSH_RUNNER_HOST={}; {}{}", shell_quoted(host), variables_,
                              asked_.stop_on_error ? "set -e; " : "");
  result.script = script_;
  result.after = '\n' + end_ + '\n';

  // printf makes the first character of the mark of this.
  const std::string mark = "\\036ssh-runner:" + nonce_;
  const std::string inside =
      fmt::format(fmt::runtime(asked_.request_pty ? over_terminal : over_pipe), mark, end_) +
      fmt::format(fmt::runtime(check_and_run), mark, end_) +
      (asked_.request_pty ? "" : "exec </dev/null; ") + "eval \" $__script\"";
  result.command = with_sudo(asked_.shell + " -c '" + inside + '\'');
  return result;
}

launch launcher::for_signal(const std::string& signal, int pid) const {
  launch result;
  result.mark = mark_;
  result.sudo_password = asked_.sudo_password;
  result.script = std::make_shared<const std::string>();
  // Its group is not always its own id: the login shell may have started it as a child.
  result.command = with_sudo(fmt::format(
      "sh -c 'g=$(ps -o pgid= -p {0} 2>/dev/null || cut -d \" \" -f 5 /proc/{0}/stat) && "
      "[ \"$g\" -gt 1 ] && kill -s {1} -- -$((g))'",
      pid, signal));
  if (asked_.sudo && asked_.sudo_password) result.before = asked_.sudo_password->reveal() + '\n';
  return result;
}

std::string launcher::with_sudo(const std::string& command) const {
  if (!asked_.sudo) return command;
  std::string text = "sudo -S -p '" + mark_ + "?' ";
  if (!asked_.sudo_user.empty()) text += "-u " + shell_quoted(asked_.sudo_user) + ' ';
  return text + "-- " + command;
}

}  // namespace ssh_runner
