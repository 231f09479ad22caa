// The echo server in Boost.Asio, a coroutine for each connection, as its own examples have it.
#include "../peer.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <thread>
#include <utility>
#include <vector>

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

asio::awaitable<void> serve(tcp::socket connection) {
  try {
    std::array<std::byte, 4096> buffer;
    for (;;) {
      const auto n = co_await connection.async_read_some(asio::buffer(buffer), asio::use_awaitable);
      co_await asio::async_write(connection, asio::buffer(buffer, n), asio::use_awaitable);
    }
  } catch (const std::exception&) {
    // the client is gone
  }
}

asio::awaitable<void> listen(tcp::acceptor acceptor) {
  for (;;) {
    tcp::socket connection = co_await acceptor.async_accept(asio::use_awaitable);
    connection.set_option(tcp::no_delay(true));
    const auto executor = connection.get_executor();
    asio::co_spawn(executor, serve(std::move(connection)), asio::detached);
  }
}

}  // namespace

int main(int argc, char** argv) {
  return peer::main(argc, argv, [](const peer::request& r) {
    if (r.base != "echo") {
      throw peer::no_such_workload();
    }
    asio::io_context context(static_cast<int>(r.workers));
    tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
    std::printf("port %d\n", acceptor.local_endpoint().port());
    std::fflush(stdout);
    asio::co_spawn(context, listen(std::move(acceptor)), asio::detached);
    std::vector<std::jthread> others;
    for (unsigned i = 1; i < r.workers; ++i) {
      others.emplace_back([&] { context.run(); });
    }
    context.run();
  });
}
