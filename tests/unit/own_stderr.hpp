#pragma once

// What this process, a child, says on stderr, for its own threads to wait for.

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace weft_test {

class own_stderr {
 public:
  own_stderr() {
    if (pipe2(ends_.data(), O_CLOEXEC) != 0 || dup2(ends_[1], STDERR_FILENO) < 0) {
      throw std::system_error(errno, std::generic_category(), "pipe2");
    }
  }
  own_stderr(const own_stderr&) = delete;
  own_stderr& operator=(const own_stderr&) = delete;
  ~own_stderr() {
    close(ends_[0]);
    if (ends_[1] >= 0) close(ends_[1]);
  }

  // Lines with this text from here on; nobody writes there any more.
  int count_to_end(std::string_view text) {
    dup2(STDOUT_FILENO, STDERR_FILENO);  // the pipe's last writer, so that there is an end
    close(std::exchange(ends_[1], -1));
    int n = 0;
    std::string line;
    for (char c = 0; read(ends_[0], &c, 1) == 1;) {
      line += c;
      if (c != '\n') continue;
      if (line.find(text) != std::string::npos) ++n;
      line.clear();
    }
    return n;
  }

  // Blocks the thread until a line with this text has come. Gives the lines up to that one.
  std::string wait_for(std::string_view text) {
    std::string lines;
    std::size_t begin = 0;
    for (char c = 0; read(ends_[0], &c, 1) == 1;) {
      lines += c;
      if (c != '\n') continue;
      if (lines.find(text, begin) != std::string::npos) break;
      begin = lines.size();
    }
    return lines;
  }

 private:
  std::array<int, 2> ends_{};
};

}  // namespace weft_test
