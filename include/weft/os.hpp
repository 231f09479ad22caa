// Processes and signals.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <concepts>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <weft/chan.hpp>
#include <weft/coro.hpp>
#include <weft/io.hpp>

namespace weft {

/// What a process's standard input, output or error is, other than a file.
enum class stdio {
  inherit,   ///< this process's own
  null,      ///< /dev/null
  pipe,      ///< a pipe, whose other end command::stdin_pipe(), stdout_pipe() or stderr_pipe() gives
  to_stdout  ///< for stderr: wherever stdout goes
};

/// Where a stream of a command comes from or goes to.
class redirection {
 public:
  /// One of the kinds above.
  redirection(stdio kind) noexcept : to_(kind) {}
  /// An open file, pipe end or socket. start() puts it into blocking mode, which is what programs
  /// expect, and closes it here once the process has it. What fd.rest() would give, the process does
  /// not see.
  redirection(file_descriptor fd) noexcept : to_(std::move(fd)) {}
  /// A file by its name, opened by start(): read from, or written anew. Two streams into one file
  /// overwrite each other; for stderr beside stdout there is stdio::to_stdout.
  template <std::convertible_to<std::filesystem::path> P>
  redirection(const P& path) : to_(std::filesystem::path(path)) {}

 private:
  friend class command;
  std::variant<stdio, file_descriptor, std::filesystem::path> to_;
};

/// How a process has ended. Neither code nor signal: somebody else has taken the status (another
/// wait of this process, or its SIGCHLD is ignored; from Linux 6.15 on it is known all the same), or
/// at the limit the process could not be killed.
struct exit_status {
  std::optional<int> code;     ///< what it returned
  std::optional<int> signal;   ///< the signal that killed it
  bool limit_reached = false;  ///< wait() ended it, at its limit or because its context was done
  /// Whether the code is 0.
  bool ok() const noexcept { return code == 0; }
  /// "exit code 3", "signal 9 (KILL), limit reached" and the like.
  std::string to_string() const;
};

namespace detail {
struct command_state;
}

/// A program to run, and the process that runs it, in a process group of its own together with what
/// it starts. There is no shell. Describe it, start it once, wait for it. Move-only.
///
/// What leaves the group by setsid or setpgid, as daemons do, belongs to it no longer: neither signals
/// nor limits reach it, and it may hold pipes open after wait().
///
/// The process gets default signal dispositions, an empty signal mask, and no descriptors but its
/// three streams, whatever other libraries left open. As a group of its own it is no part of the
/// terminal's foreground: it does not get the terminal's Ctrl-C, and is stopped if it reads there.
///
/// After start() one goroutine may wait while others signal, kill or wait, too; everything else is
/// for one at a time. No thread belongs to a process that runs.
class command {
 public:
  /// A program without '/' is looked for in the PATH that the process will have, or, where it has
  /// none, in the system's default path. Other relative ones, and relative parts of PATH, are taken
  /// from dir().
  explicit command(std::string program, std::vector<std::string> args = {});
  /// The other is empty then; all that it can do is be assigned to or destroyed.
  command(command&& other) noexcept;
  /// Kills and reaps what runs in this one.
  command& operator=(command&& other) noexcept;
  /// Kills the group if it runs, and reaps the process. Waits for that, a moment; where it takes
  /// longer than a second, which is a process that cannot be killed, it is reaped later.
  ~command();

  /// All arguments; the program's own name comes before them by itself.
  command& args(std::vector<std::string> all);
  /// Sets a variable, beside those of this process.
  command& env(std::string name, std::string value);
  /// Takes nothing from this process's environment, only what env() sets, before or after.
  command& clear_env();
  /// Where it starts; default: here.
  command& dir(std::filesystem::path directory);
  /// Default of all three: inherit.
  command& stdin_from(redirection from);
  /// Where its output goes.
  command& stdout_to(redirection to);
  /// Where its errors go.
  command& stderr_to(redirection to);
  /// At wait's limit the group gets SIGTERM, and SIGKILL so much later. Default 0: SIGKILL at once.
  command& kill_grace(std::chrono::milliseconds grace);

  /// Starts it. Blocks its thread until the program is loaded, under a millisecond.
  /// @throws std::system_error that names the program, and the directory or file: no such program,
  ///         no right to run it, no such directory, no more descriptors. Then it may be tried again.
  /// @throws std::logic_error if it was started before.
  void start();
  /// Waits until the process has ended, and reaps it; again: the same status. What it has started
  /// may run on. At the limit, or when the limit's context is done, ends the whole group: SIGKILL,
  /// or SIGTERM and, once kill_grace() is over and anything is left of the group, SIGKILL. The status
  /// then says limit_reached. A process that cannot be killed is left behind after two seconds.
  /// @throws std::logic_error before start().
  exit_status wait(wait_limit limit = {});
  /// The same for a coroutine: co_await it. Destroying it while it waits leaves the process alone,
  /// unless its group is being ended by then.
  coro<exit_status> async_wait(wait_limit limit = {});
  /// start() and wait(). For pipes use start(): nobody reads them here.
  exit_status run(wait_limit limit = {});

  /// After start(), where stdio::pipe was asked for; may be moved from. Not blocking; never SIGPIPE.
  /// @throws std::logic_error otherwise.
  file_descriptor& stdin_pipe();
  /// The same for its output.
  file_descriptor& stdout_pipe();
  /// The same for its errors.
  file_descriptor& stderr_pipe();

  /// Sends a signal to the group; nothing before start() and once it was waited for. Never waits.
  /// @throws std::system_error: no such signal, or no right.
  void signal(int number);
  /// Sends SIGKILL likewise.
  void kill();
  /// Its number, which is the group's, too; -1 before start().
  pid_t pid() const;

 private:
  file_descriptor& pipe_end(int stream, const char* what);

  std::unique_ptr<detail::command_state> state_;
};

/// Sends the numbers of these signals to the channel that it returns, and keeps them from doing what
/// they would do otherwise, until stop_signals(). Several channels may ask for one signal; each gets
/// it. A channel holds 16; what comes while it is full is dropped. While one is open, a runtime is
/// not judged to be in a deadlock. Never waits.
/// @throws std::system_error (invalid_argument) for what cannot be caught (SIGKILL, SIGSTOP), for
///         faults (SIGSEGV, SIGBUS, SIGFPE, SIGILL), and for what is no signal; and where there is no
///         thread to be had for handing them out, which the first call starts.
recv_chan<int> notify_signals(std::initializer_list<int> numbers);
/// Ends that and closes the channel; what it holds can still be received. A signal that no other
/// channel asks for is handled as it was before. Another channel, or a second time: does nothing.
void stop_signals(const recv_chan<int>& channel);

}  // namespace weft
