// above_two: what the child gets has a number of at least 3, so that setting one of its streams does
//   not close another's source. Everything is close-on-exec, and a file by name is opened where it
//   may block (a FIFO, a slow disk).
// Proved by: tests/conformance/command_streams.cpp.
#include "os/streams.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "blocking/blocking_pool.hpp"
#include "os/launch.hpp"
#include "switch/thread_local.hpp"

namespace weft::detail {

namespace {

constexpr int first_free = 3;
constexpr std::array<const char*, 3> names{"stdin", "stdout", "stderr"};

[[noreturn]] void fail(int error, const std::string& who, std::size_t stream, const std::string& what) {
  throw std::system_error(error, std::generic_category(), who + ": " + names[stream] + ": " + what);
}

// The descriptor, or a copy of it with a larger number.
file_descriptor above_two(int fd, const std::string& who, std::size_t stream) {
  if (fd >= first_free) return file_descriptor(fd);
  const int higher = fcntl(fd, F_DUPFD_CLOEXEC, first_free);
  const int error = last_error();
  ::close(fd);
  if (higher < 0) fail(error, who, stream, "fcntl");
  return file_descriptor(higher);
}

file_descriptor open_file(const char* path, std::size_t stream, const std::string& who) {
  const int flags = stream == 0 ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC;
  int fd = -1;
  int error = 0;
  auto open_it = [&] {
    fd = ::open(path, flags | O_CLOEXEC, 0666);
    if (fd < 0) error = last_error();
  };
  run_on_blocking_thread(function_view(open_it));
  if (fd < 0) fail(error, who, stream, path);
  return above_two(fd, who, stream);
}

struct opener {
  opened_streams& streams;
  std::size_t i;
  const std::string& who;

  void own(file_descriptor fd) {
    streams.owned[i] = std::move(fd);
    streams.for_child[i] = streams.owned[i].get();
  }

  void operator()(stdio kind) {
    switch (kind) {
      case stdio::inherit: return;
      case stdio::null: {
        const int fd = ::open("/dev/null", (i == 0 ? O_RDONLY : O_WRONLY) | O_CLOEXEC);
        if (fd < 0) fail(last_error(), who, i, "/dev/null");
        return own(above_two(fd, who, i));
      }
      case stdio::pipe: {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) != 0) fail(last_error(), who, i, "pipe");
        // Only our end: the two are open files of their own.
        const int ours = ends[i == 0 ? 1 : 0];
        streams.pipe_ends[i] = file_descriptor(ours);
        own(above_two(ends[i == 0 ? 0 : 1], who, i));
        if (fcntl(ours, F_SETFL, O_NONBLOCK) != 0) fail(last_error(), who, i, "fcntl");
        return;
      }
      case stdio::to_stdout:
        if (i != 2) fail(EINVAL, who, i, "only stderr can go to_stdout");
        streams.errors_to_output = true;
        return;
    }
  }

  void operator()(file_descriptor& given) {
    const int fd = given.get();
    const int flags = fcntl(fd, F_GETFL);
    if (flags < 0) fail(last_error(), who, i, "descriptor " + std::to_string(fd));
    if ((flags & O_NONBLOCK) != 0) fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
    if (fd >= first_free) {
      streams.for_child[i] = fd;
      return;
    }
    const int higher = fcntl(fd, F_DUPFD_CLOEXEC, first_free);
    if (higher < 0) fail(last_error(), who, i, "fcntl");
    own(file_descriptor(higher));
  }

  void operator()(const std::filesystem::path& path) { own(open_file(path.c_str(), i, who)); }
};

}  // namespace

opened_streams open_streams(std::array<stream_target, 3>& targets, const std::string& who) {
  opened_streams streams;
  streams.for_child.fill(launch_plan::as_it_is);
  for (std::size_t i = 0; i < targets.size(); ++i) std::visit(opener{streams, i, who}, targets[i]);
  return streams;
}

}  // namespace weft::detail
