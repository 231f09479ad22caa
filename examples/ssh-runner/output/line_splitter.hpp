// Cuts a stream of bytes into lines and puts the host in front of each.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ssh_runner {

class line_splitter {
 public:
  // A line longer than `longest` bytes comes in pieces, so that memory stays bounded.
  explicit line_splitter(std::string label, std::size_t longest = 1 << 20)
      : prefix_(std::move(label) + ": "), longest_(longest) {}

  // Appends the lines that `bytes` completes to `out`, prefixed and ended; keeps the rest.
  void feed(std::string_view bytes, std::string& out);

  // At the end of the stream: a last line without its newline gets one.
  void finish(std::string& out);

 private:
  void keep(std::string_view bytes, std::string& out);

  std::string prefix_;
  std::size_t longest_;
  std::string begun_;  // the line whose end has not come yet
};

}  // namespace ssh_runner
