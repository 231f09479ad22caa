// Lines of standard input, counted, one way or the other:
//
//   weft-lines reader|channel
#include <weft/weft.hpp>

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

int main(int argc, char** argv) {
  const std::string_view way = argc == 2 ? argv[1] : "";
  if (way != "reader" && way != "channel") {
    std::fputs("usage: weft-lines reader|channel\n", stderr);
    return 2;
  }
  return weft::run([&] {
    weft::file_descriptor in(0);
    std::size_t lines = 0;
    std::size_t bytes = 0;
    const auto start = std::chrono::steady_clock::now();
    if (way == "reader") {
      weft::line_reader reader(in);
      while (const std::optional<std::string> line = reader.next()) {
        ++lines;
        bytes += line->size();
      }
    } else {
      for (const std::string& line : weft::lines(std::move(in))) {
        ++lines;
        bytes += line.size();
      }
    }
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
    std::printf("{\"ns_per_op\":%.2f,\"lines\":%zu,\"bytes\":%zu}\n",
                took.count() / static_cast<double>(lines), lines, bytes);
    return 0;
  });
}
