// What a limit costs that does not pass: one byte there and back over two pipes, each read with a limit
// of an hour, or without one.
//
//   weft-limits none|hour OPERATIONS
#include <weft/weft.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace {

// Back and forth until the other end closes.
void answer(weft::file_descriptor& in, weft::file_descriptor& out, bool limited) {
  std::array<std::byte, 1> byte{};
  while (in.read(byte, limited ? weft::wait_limit(std::chrono::hours(1)) : weft::wait_limit()) == 1) {
    out.write(byte);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view limit = argc == 3 ? argv[1] : "";
  const long operations = argc == 3 ? std::atol(argv[2]) : 0;
  if ((limit != "none" && limit != "hour") || operations < 1) {
    std::fputs("usage: weft-limits none|hour OPERATIONS\n", stderr);
    return 2;
  }
  return weft::run({.workers = 1}, [&] {
    const bool limited = limit == "hour";
    auto there = weft::pipe();
    auto back = weft::pipe();
    auto other = weft::spawn([&] { answer(there.reader, back.writer, limited); });
    std::array<std::byte, 1> byte{};
    const auto start = std::chrono::steady_clock::now();
    for (long i = 0; i < operations; ++i) {
      there.writer.write(byte);
      back.reader.read(byte, limited ? weft::wait_limit(std::chrono::hours(1)) : weft::wait_limit());
    }
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
    there.writer.close();
    other.get();
    std::printf("{\"ns_per_op\":%.1f}\n", took.count() / static_cast<double>(operations));
    return 0;
  });
}
