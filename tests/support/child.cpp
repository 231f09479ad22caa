// Children are executed anew, not forked: a fork of a process with threads, or under a sanitizer,
// could do almost nothing.

#include "support/child.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <system_error>
#include <thread>

#include "support/left_behind.hpp"
#include "support/scale.hpp"

namespace weft_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::string_view child_flag = "--child";
constexpr std::chrono::seconds dump_time{15};  // for the child's own watchdog, before it is killed

std::map<std::string, void (*)(), std::less<>>& cases() {
  static std::map<std::string, void (*)(), std::less<>> all;
  return all;
}

[[noreturn]] void fail(int error, const char* what) {
  throw std::system_error(error, std::generic_category(), what);
}

struct output_pipe {
  output_pipe() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) fail(errno, "pipe2");
    reader = ends[0];
    writer = ends[1];
  }
  output_pipe(const output_pipe&) = delete;
  output_pipe& operator=(const output_pipe&) = delete;
  ~output_pipe() {
    close_end(reader);
    close_end(writer);
  }
  static void close_end(int& end) {
    if (end >= 0) close(end);
    end = -1;
  }

  // False at the end of the stream.
  bool pump(std::string& into) const {
    std::array<char, 4096> buffer;
    const ssize_t n = read(reader, buffer.data(), buffer.size());
    if (n > 0) into.append(buffer.data(), static_cast<std::size_t>(n));
    return n > 0 || (n < 0 && errno == EINTR);
  }

  int reader;
  int writer;
};

// This process's environment with additions, the last of a name counting.
std::vector<std::string> environment_with(const std::vector<std::string>& additions) {
  std::map<std::string, std::string> variables;
  const auto put = [&](const std::string& entry) {
    variables[entry.substr(0, entry.find('='))] = entry;
  };
  for (char** entry = environ; *entry != nullptr; ++entry) put(*entry);
  for (const std::string& entry : additions) put(entry);
  std::vector<std::string> result;
  for (auto& [name, entry] : variables) result.push_back(std::move(entry));
  return result;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (std::string& s : strings) result.push_back(s.data());
  result.push_back(nullptr);
  return result;
}

pid_t start(std::vector<std::string> arguments, std::vector<std::string> environment, int out,
            int err) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
  pid_t pid = -1;
  // By its name: beneath Valgrind the link itself leads to Valgrind.
  static const std::string self = std::filesystem::read_symlink("/proc/self/exe");
  const int error = posix_spawn(&pid, self.c_str(), &actions, nullptr, pointers(arguments).data(),
                                pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) fail(error, "posix_spawn");
  return pid;
}

// Reads both streams to their ends. False: the deadline came first.
bool read_both(const output_pipe& out, const output_pipe& err, child_result& result,
               steady_clock::time_point deadline) {
  bool out_open = true;
  bool err_open = true;
  while (out_open || err_open) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
    if (left <= milliseconds::zero()) return false;
    std::array<pollfd, 2> fds{pollfd{out_open ? out.reader : -1, POLLIN, 0},
                              pollfd{err_open ? err.reader : -1, POLLIN, 0}};
    if (poll(fds.data(), fds.size(), static_cast<int>(left.count())) <= 0) continue;
    if (fds[0].revents != 0) out_open = out.pump(result.out);
    if (fds[1].revents != 0) err_open = err.pump(result.err);
  }
  return true;
}

// False: it still ran at the deadline.
bool reap(pid_t pid, int& status, steady_clock::time_point deadline) {
  while (waitpid(pid, &status, WNOHANG) == 0) {
    if (steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(milliseconds(2));
  }
  return true;
}

}  // namespace

child_case::child_case(std::string_view name, void (*function)()) {
  // The macro's argument comes in as it was written, with or without quotes.
  if (name.starts_with('"') && name.ends_with('"')) name = name.substr(1, name.size() - 2);
  if (!cases().emplace(name, function).second) {
    std::cerr << "two child cases are named " << name << '\n';
    std::abort();
  }
}

child_result run_child(std::string_view name, const child_options& options) {
  const auto limit = options.limit * (under_asan || under_tsan || under_valgrind ? 5 : 1);
  std::vector<std::string> additions{"WEFT_TEST_TIMEOUT=" + std::to_string(limit.count())};
  additions.insert(additions.end(), options.env.begin(), options.env.end());

  output_pipe out;
  output_pipe err;
  const pid_t pid = start({"child", std::string(child_flag), std::string(name)},
                          environment_with(additions), out.writer, err.writer);
  output_pipe::close_end(out.writer);
  output_pipe::close_end(err.writer);

  child_result result;
  int status = 0;
  const auto deadline = steady_clock::now() + limit + dump_time;
  if (!read_both(out, err, result, deadline) || !reap(pid, status, deadline)) {
    result.timed_out = true;
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
  }
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
  return result;
}

bool run_as_child(int argc, char** argv) {
  if (argc != 3 || argv[1] != child_flag) return false;
  const auto found = cases().find(std::string_view(argv[2]));
  if (found == cases().end()) {
    std::cerr << "no child case is named " << argv[2] << '\n';
    std::exit(125);
  }
  // These processes often die on purpose.
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  const auto since = count_what_is_left != nullptr ? count_what_is_left() : nullptr;
  found->second();
  if (const std::string left = since != nullptr ? since->text() : ""; !left.empty()) {
    std::cerr << "LEFT BEHIND:" << left << std::endl;
    std::exit(1);
  }
  return true;
}

}  // namespace weft_test
