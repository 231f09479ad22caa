#include "output/line_splitter.hpp"

#include <algorithm>

namespace ssh_runner {

void line_splitter::feed(std::string_view bytes, std::string& out) {
  for (;;) {
    const auto end = bytes.find('\n');
    keep(bytes.substr(0, end), out);
    if (end == std::string_view::npos) return;
    out.append(prefix_).append(begun_) += '\n';
    begun_.clear();
    bytes.remove_prefix(end + 1);
  }
}

void line_splitter::finish(std::string& out) {
  if (begun_.empty()) return;
  out.append(prefix_).append(begun_) += '\n';
  begun_.clear();
}

void line_splitter::keep(std::string_view bytes, std::string& out) {
  while (begun_.size() + bytes.size() > longest_) {
    const auto piece = longest_ - begun_.size();
    out.append(prefix_).append(begun_).append(bytes.substr(0, piece)) += '\n';
    begun_.clear();
    bytes.remove_prefix(piece);
  }
  begun_.append(bytes);
}

}  // namespace ssh_runner
