// A pipe whose reads block their thread.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <stdexcept>

namespace weft_test {

struct plain_pipe {
  plain_pipe() {
    if (pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
  }
  plain_pipe(const plain_pipe&) = delete;
  plain_pipe& operator=(const plain_pipe&) = delete;
  ~plain_pipe() {
    close(ends[0]);
    close(ends[1]);
  }
  bool block() {
    char byte = 0;
    return read(ends[0], &byte, 1) == 1;
  }
  void release() { [[maybe_unused]] const auto n = write(ends[1], "x", 1); }
  std::array<int, 2> ends{};
};

}  // namespace weft_test
