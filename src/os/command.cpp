// A command: what was asked for, until start() turns it into a process.
//
// Nothing of a start stays when it throws: descriptors given to it are still there, pipes and files
// are closed, and there is no process. So the command can be started again.
// Proved by: tests/conformance/command_*.cpp.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>

#include "os/child_process.hpp"
#include "os/environment.hpp"
#include "os/launch.hpp"
#include "os/streams.hpp"
#include "weft/os.hpp"
#include "weft/time.hpp"

namespace weft {

namespace detail {

struct command_state {
  std::string program;
  std::vector<std::string> args;
  variables set;
  bool cleared = false;
  std::filesystem::path directory;
  std::array<stream_target, 3> targets{stdio::inherit, stdio::inherit, stdio::inherit};
  std::chrono::milliseconds grace{0};

  std::array<bool, 3> has_pipe{};
  std::array<file_descriptor, 3> pipes;
  std::shared_ptr<child_process> process;  // set by start(), and kept
};

}  // namespace detail

using namespace detail;

namespace {

[[noreturn]] void fail(int error, const std::string& what) {
  throw std::system_error(error, std::generic_category(), what);
}

void check_words(const command_state& s, const std::string& who) {
  const auto check = [&](const std::string& word, const char* what) {
    if (word.find('\0') != std::string::npos) fail(EINVAL, who + ": a null character in " + what);
  };
  check(s.program, "the program's name");
  check(s.directory.native(), "the directory");
  for (const std::string& word : s.args) check(word, "an argument");
  for (const auto& [name, value] : s.set) {
    check(name, "a variable's name");
    check(value, "a variable");
    if (name.empty() || name.find('=') != std::string::npos) {
      fail(EINVAL, who + ": \"" + name + "\" is no name for a variable");
    }
  }
}

std::string failure_of(const launch_result& r, const command_state& s, const std::string& who) {
  switch (r.failed) {
    case launch_step::clone: return who + ": clone";
    case launch_step::group: return who + ": setpgid";
    case launch_step::directory: return who + ": directory " + s.directory.string();
    case launch_step::streams: return who + ": dup3";
    case launch_step::program: break;
  }
  return who;
}

std::shared_ptr<child_process> started(const command_state& s, const char* what) {
  if (s.process == nullptr) {
    throw std::logic_error(std::string("weft::command::") + what + " " + s.program +
                           ": not started");
  }
  return s.process;
}

// A program that was written just now cannot be run while a child that is about to load its own
// still has it open: that of another start(), for a moment.
launch_result launch_when_closed(const launch_plan& plan) {
  for (auto pause = std::chrono::milliseconds(1);; pause *= 2) {
    launch_result r = launch(plan);
    if (r.error != ETXTBSY || pause > std::chrono::milliseconds(64)) return r;
    sleep_for(pause);
  }
}

}  // namespace

command::command(std::string program, std::vector<std::string> args)
    : state_(std::make_unique<command_state>()) {
  state_->program = std::move(program);
  state_->args = std::move(args);
}

command::command(command&&) noexcept = default;

command& command::operator=(command&& other) noexcept {
  if (this != &other) {
    command old(std::move(*this));
    state_ = std::move(other.state_);
  }
  return *this;
}

command::~command() {
  if (state_ != nullptr && state_->process != nullptr) child_process::end_and_reap(state_->process);
}

command& command::args(std::vector<std::string> all) {
  state_->args = std::move(all);
  return *this;
}
command& command::env(std::string name, std::string value) {
  state_->set.emplace_back(std::move(name), std::move(value));
  return *this;
}
command& command::clear_env() {
  state_->cleared = true;
  return *this;
}
command& command::dir(std::filesystem::path directory) {
  state_->directory = std::move(directory);
  return *this;
}
command& command::stdin_from(redirection from) {
  state_->targets[0] = std::move(from.to_);
  return *this;
}
command& command::stdout_to(redirection to) {
  state_->targets[1] = std::move(to.to_);
  return *this;
}
command& command::stderr_to(redirection to) {
  state_->targets[2] = std::move(to.to_);
  return *this;
}
command& command::kill_grace(std::chrono::milliseconds grace) {
  state_->grace = grace;
  return *this;
}

void command::start() {
  command_state& s = *state_;
  const std::string who = "weft::command::start " + s.program;
  if (s.process != nullptr) throw std::logic_error(who + ": started before");
  check_words(s, who);
  auto process = std::make_shared<child_process>();
  std::vector<std::string> words{s.program};
  words.insert(words.end(), s.args.begin(), s.args.end());
  std::vector<std::string> environment = environment_with(s.set, s.cleared);
  std::vector<std::string> places = places_of(s.program, environment);
  const std::vector<char*> arguments = pointers_to(words);
  const std::vector<char*> variables = pointers_to(environment);
  const std::vector<char*> paths = pointers_to(places);
  opened_streams streams = open_streams(s.targets, who);

  launch_plan plan;
  plan.paths = paths.data();
  plan.path_count = places.size();
  plan.arguments = arguments.data();
  plan.environment = variables.data();
  if (!s.directory.empty()) plan.directory = s.directory.c_str();
  std::copy(streams.for_child.begin(), streams.for_child.end(), plan.streams);
  plan.errors_to_output = streams.errors_to_output;
  launch_result result = launch_when_closed(plan);
  if (result.error != 0) fail(result.error, failure_of(result, s, who));

  process->set(result.pid, std::move(result.pidfd));
  s.process = std::move(process);
  for (std::size_t i = 0; i < s.pipes.size(); ++i) {
    s.has_pipe[i] = static_cast<bool>(streams.pipe_ends[i]);
    s.pipes[i] = std::move(streams.pipe_ends[i]);
    if (std::holds_alternative<file_descriptor>(s.targets[i])) s.targets[i] = stdio::inherit;
  }
}

exit_status command::wait(wait_limit limit) {
  return child_process::wait(started(*state_, "wait"), limit, state_->grace);
}

coro<exit_status> command::async_wait(wait_limit limit) {
  return child_process::async_wait(started(*state_, "async_wait"), std::move(limit), state_->grace);
}

exit_status command::run(wait_limit limit) {
  start();
  return wait(limit);
}

file_descriptor& command::pipe_end(int stream, const char* what) {
  const auto i = static_cast<std::size_t>(stream);
  if (!state_->has_pipe[i]) {
    throw std::logic_error(std::string("weft::command::") + what + " " + state_->program +
                           (state_->process == nullptr ? ": not started" : ": it is no pipe"));
  }
  return state_->pipes[i];
}
file_descriptor& command::stdin_pipe() { return pipe_end(0, "stdin_pipe"); }
file_descriptor& command::stdout_pipe() { return pipe_end(1, "stdout_pipe"); }
file_descriptor& command::stderr_pipe() { return pipe_end(2, "stderr_pipe"); }

void command::signal(int number) {
  if (state_->process == nullptr) return;
  if (const int error = state_->process->signal(number); error != 0) {
    fail(error, "weft::command::signal " + state_->program + ": signal " + std::to_string(number));
  }
}
void command::kill() { signal(9); }

pid_t command::pid() const { return state_->process != nullptr ? state_->process->pid() : -1; }

// ---- exit_status ---------------------------------------------------------------------------

std::string exit_status::to_string() const {
  std::string text;
  if (code) {
    text = "exit code " + std::to_string(*code);
  } else if (signal) {
    text = "signal " + std::to_string(*signal);
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 32)
    if (const char* name = sigabbrev_np(*signal); name != nullptr) text += std::string(" (") + name + ")";
#endif
  } else {
    text = "unknown status";
  }
  if (limit_reached) text += ", limit reached";
  return text;
}

}  // namespace weft
