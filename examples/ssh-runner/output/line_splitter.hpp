// Cuts a stream of bytes into lines.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace ssh_runner {

class line_splitter {
 public:
  // A line longer than `longest` bytes comes in pieces, so that memory stays bounded.
  explicit line_splitter(std::size_t longest = 1 << 20) : longest_(longest) {}

  // Calls on_line(std::string_view) for each line that `bytes` completes, without its end; keeps
  // the rest.
  template <class F>
  void feed(std::string_view bytes, F&& on_line) {
    for (;;) {
      const auto end = bytes.find('\n');
      std::string_view line = bytes.substr(0, end);
      while (begun_.size() + line.size() > longest_) {
        const auto piece = longest_ - begun_.size();
        begun_.append(line.substr(0, piece));
        on_line(std::string_view(begun_));
        begun_.clear();
        line.remove_prefix(piece);
      }
      if (end == std::string_view::npos) {
        begun_.append(line);
        return;
      }
      if (begun_.empty()) {  // the usual case: nothing is copied
        on_line(line);
      } else {
        begun_.append(line);
        on_line(std::string_view(begun_));
        begun_.clear();
      }
      bytes.remove_prefix(end + 1);
    }
  }

  // At the end of the stream: a last line without its newline is one, too.
  template <class F>
  void finish(F&& on_line) {
    if (!begun_.empty()) on_line(std::string_view(begun_));
    begun_.clear();
  }

 private:
  std::size_t longest_;
  std::string begun_;  // the line whose end has not come yet
};

}  // namespace ssh_runner
