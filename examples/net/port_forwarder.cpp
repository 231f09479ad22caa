// A TCP port forwarder: what connects to its port is connected with another host's.
//
//   port_forwarder PORT HOST HOST_PORT     PORT 0: the system picks one; it is printed
//
// Shows two directions that end one at a time: when one end has sent everything, its close_write is
// passed on, and the other direction goes on until it ends, too. Nothing is buffered beyond 16 KiB a
// direction: who reads slowly slows down who writes (back-pressure comes from waiting in write). An
// error in one direction ends both, by a task_group: its context is the limit of every wait.
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <span>
#include <string>
#include <system_error>

#include <weft/weft.hpp>

#include "interrupt.hpp"

namespace {

void copy(weft::tcp_stream& from, weft::tcp_stream& to, const weft::context& ctx) {
  std::array<std::byte, 16384> buffer;
  while (std::size_t n = from.read(buffer, ctx)) to.write(std::span(buffer).first(n), ctx);
  to.close_write();
}

void forward(weft::tcp_stream client, const std::string& host, std::uint16_t port,
             const weft::context& ctx) {
  auto [connecting, cancel] = weft::with_timeout(ctx, std::chrono::seconds(10));
  weft::tcp_stream server = weft::tcp_stream::connect(host, port, connecting);
  weft::task_group directions(ctx);
  directions.go([&] { copy(client, server, directions.ctx()); });
  directions.go([&] { copy(server, client, directions.ctx()); });
  directions.wait();  // throws what one of them threw
}

void accept_all(weft::tcp_listener& listener, const std::string& host, std::uint16_t port,
                const weft::context& ctx) {
  weft::wait_group connections;
  for (;;) {
    connections.go([&, client = listener.accept(ctx)]() mutable {
      try {
        forward(std::move(client), host, port, ctx);
      } catch (const std::system_error& e) {
        if (ctx.err() == weft::context_error::none) std::cerr << e.what() << '\n';
      }
    });
  }
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 4) {
    std::cerr << "usage: port_forwarder PORT HOST HOST_PORT\n";
    return 2;
  }
  weft::run([&] {
    weft::tcp_listener listener("", static_cast<std::uint16_t>(std::atoi(argv[1])));
    const weft::context ctx = until_interrupted();
    std::cout << "listening on port " << listener.local_address().port() << std::endl;
    try {
      accept_all(listener, argv[2], static_cast<std::uint16_t>(std::atoi(argv[3])), ctx);
    } catch (const std::system_error& e) {
      if (e.code() != std::errc::operation_canceled) throw;
    }
  });
  std::cout << "interrupted\n";
} catch (const std::exception& e) {
  std::cerr << "port_forwarder: " << e.what() << '\n';
  return 1;
}
