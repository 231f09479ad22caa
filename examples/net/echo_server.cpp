// An echo server: what a client sends comes back to it.
//
//   echo_server [PORT]     PORT 0, the default: the system picks one; it is printed
//
// Shows the shape of every server with weft: a loop over accept, and for each connection a goroutine
// that reads and writes as if it were alone. No callback, no state machine, and yet no thread for each
// connection. A client that goes away is an exception in its own goroutine and nowhere else. SIGINT
// cancels the context that every wait has as its limit; then main waits for the goroutines and returns.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <span>
#include <system_error>

#include <weft/weft.hpp>

#include "interrupt.hpp"

namespace {

void echo(weft::tcp_stream& client, const weft::context& ctx) {
  std::array<std::byte, 16384> buffer;
  while (std::size_t n = client.read(buffer, ctx)) {
    client.write(std::span(buffer).first(n), ctx);
  }
}

void serve(weft::tcp_listener& listener, const weft::context& ctx) {
  weft::wait_group connections;  // its destructor waits for them
  for (;;) {
    connections.go([client = listener.accept(ctx), ctx]() mutable {
      try {
        echo(client, ctx);
      } catch (const std::system_error& e) {
        if (e.code() != std::errc::operation_canceled) std::cerr << e.what() << '\n';
      }
    });
  }
}

}  // namespace

int main(int argc, char** argv) try {
  weft::run([&] {
    const auto port = static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 0);
    weft::tcp_listener listener("", port);
    const weft::context ctx = until_interrupted();
    std::cout << "listening on port " << listener.local_address().port() << std::endl;
    try {
      serve(listener, ctx);
    } catch (const std::system_error& e) {
      if (e.code() != std::errc::operation_canceled) throw;
    }
  });
  std::cout << "interrupted\n";
} catch (const std::exception& e) {
  std::cerr << "echo_server: " << e.what() << '\n';
  return 1;
}
