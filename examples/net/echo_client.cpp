// A client of the echo server: sends its standard input and prints what comes back.
//
//   echo_client HOST PORT [SECONDS]     how long all of it may take; default 10
//
// Shows how one deadline spans a whole exchange (look-up, connecting, writing, reading), how one
// goroutine writes while another reads the same connection, and how close_write tells the other end
// that no more will come. Exit status: 0 if everything came back, 1 otherwise.
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <span>
#include <string>

#include <unistd.h>

#include <weft/weft.hpp>

int main(int argc, char** argv) try {
  if (argc < 3) {
    std::cerr << "usage: echo_client HOST PORT [SECONDS]\n";
    return 2;
  }
  const bool whole = weft::run([&] {
    const weft::wait_limit limit(std::chrono::seconds(argc > 3 ? std::atoi(argv[3]) : 10));
    weft::tcp_stream server = weft::tcp_stream::connect(
        argv[1], static_cast<std::uint16_t>(std::atoi(argv[2])), limit);

    auto sending = weft::spawn([&] {
      auto input = weft::file_descriptor::duplicate(STDIN_FILENO);
      std::array<std::byte, 16384> buffer;
      std::size_t sent = 0;
      while (std::size_t n = input.read(buffer, limit)) {
        server.write(std::span(buffer).first(n), limit);
        sent += n;
      }
      server.close_write();
      return sent;
    });

    std::array<std::byte, 16384> buffer;
    std::size_t received = 0;
    while (std::size_t n = server.read(buffer, limit)) {
      std::cout.write(reinterpret_cast<const char*>(buffer.data()), static_cast<std::streamsize>(n));
      received += n;
    }
    return received == sending.get();
  });
  return whole ? 0 : 1;
} catch (const std::exception& e) {
  std::cerr << "echo_client: " << e.what() << '\n';
  return 1;
}
