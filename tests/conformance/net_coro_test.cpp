// async_accept and async_connect.
#include "coroutines.hpp"
#include "sockets.hpp"
#include "support/scale.hpp"

#include <sys/socket.h>

#include <array>

using namespace std::chrono_literals;
using weft::coro;
using weft::socket_address;
using weft::tcp_listener;
using weft::tcp_stream;
using weft::unix_listener;
using weft::unix_stream;
using weft_test::contains;
using weft_test::descriptors_kept;
using weft_test::everywhere;
using weft_test::until_parked;

namespace {

template <class Stream>
coro<> echo(Stream stream) {
  std::array<std::byte, 512> buffer;
  while (std::size_t n = co_await stream.async_read(buffer)) {
    co_await stream.async_write(std::span(buffer).first(n));
  }
}

// Serves so many clients.
template <class Listener>
coro<> serve(Listener& listener, int clients, weft::wait_group& connections) {
  for (int i = 0; i < clients; ++i) {
    connections.go(echo(co_await listener.async_accept()));
  }
}

template <class Stream>
coro<std::string> ask(coro<Stream> connecting, std::string text) {
  Stream stream = co_await std::move(connecting);
  co_await stream.async_write(text);
  std::string back(text.size(), '\0');
  co_await stream.async_read_full(std::as_writable_bytes(std::span(back)));
  co_return back;
}

// The error and message of what an await throws.
struct outcome {
  std::error_code error{};
  std::string message{};
};
template <class T>
coro<outcome> outcome_of(coro<T> call) {
  try {
    co_await std::move(call);
  } catch (const std::system_error& e) {
    co_return {e.code(), e.what()};
  }
  co_return {};
}
template <class T>
std::error_code error_of(coro<T> call) {
  return weft::spawn(outcome_of(std::move(call))).get().error;
}
template <class T>
std::string message_of(coro<T> call) {
  return weft::spawn(outcome_of(std::move(call))).get().message;
}

}  // namespace

TEST_CASE("a server and its clients as coroutines", "[net][coro]") {
  descriptors_kept kept;
  const int clients = static_cast<int>(weft_test::scaled(200));
  auto check = [clients] {
    weft_test::scratch_directory dir;
    tcp_listener tcp("127.0.0.1", 0);
    unix_listener unix_one(dir / "socket", 8);
    weft::wait_group connections;
    auto tcp_server = weft::spawn(serve(tcp, clients, connections));
    auto unix_server = weft::spawn(serve(unix_one, clients, connections));
    std::vector<weft::join_handle<std::string>> answers;
    for (int i = 0; i < clients; ++i) {
      const std::string text = "client " + std::to_string(i);
      answers.push_back(weft::spawn(ask(tcp_stream::async_connect(tcp.local_address()), text)));
      answers.push_back(weft::spawn(ask(unix_stream::async_connect(dir / "socket"), text)));
    }
    for (int i = 0; i < 2 * clients; ++i) {
      CHECK(answers[i].get() == "client " + std::to_string(i / 2));
    }
    tcp_server.get();
    unix_server.get();
    connections.wait();
  };
  everywhere(check);
}

TEST_CASE("a coroutine that accepts waits for a client", "[net][coro]") {
  descriptors_kept kept;
  weft::run([] {
    tcp_listener listener("127.0.0.1", 0);
    auto accepting = weft::spawn(listener.async_accept());
    until_parked(1);
    tcp_stream client = tcp_stream::connect(listener.local_address());
    client.write("x");
    tcp_stream server = accepting.get();
    CHECK(weft_test::read_some(server) == "x");
  });
}

TEST_CASE("limits, contexts and close of async_accept", "[net][coro]") {
  descriptors_kept kept;
  weft::run([] {
    tcp_listener listener("127.0.0.1", 0);
    CHECK(error_of(listener.async_accept(0ms)) == std::errc::timed_out);
    CHECK(error_of(listener.async_accept(2ms)) == std::errc::timed_out);
    CHECK_THAT(message_of(listener.async_accept(0ms)), contains("weft::tcp_listener::accept"));
    auto [ctx, cancel] = weft::with_cancel(weft::background());
    auto cancelled = weft::spawn(outcome_of(listener.async_accept(ctx)));
    auto closed = weft::spawn(outcome_of(listener.async_accept()));
    until_parked(2);
    cancel();
    CHECK(cancelled.get().error == std::errc::operation_canceled);
    listener.close();
    CHECK(closed.get().error == std::errc::bad_file_descriptor);
    CHECK(error_of(listener.async_accept()) == std::errc::bad_file_descriptor);
  });
}

TEST_CASE("async_accept waits for a descriptor", "[net][coro]") {
  descriptors_kept kept;
  weft::run([] {
    tcp_listener listener("127.0.0.1", 0);
    weft::file_descriptor client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const socket_address to = listener.local_address();
    REQUIRE(::connect(client.get(), to.data(), to.size()) == 0);
    weft_test::no_descriptors none;
    CHECK(error_of(listener.async_accept(0ms)) == std::errc::timed_out);
    CHECK(error_of(listener.async_accept(3ms)) == std::errc::timed_out);
    auto accepting = weft::spawn(listener.async_accept());
    while (weft::stats().timers < 1) weft::yield();
    none.spare();
    CHECK(accepting.get().get() >= 0);
    auto closed = weft::spawn(outcome_of(listener.async_accept()));
    until_parked(1);
    listener.close();
    CHECK(closed.get().error == std::errc::bad_file_descriptor);
  });
}

TEST_CASE("async_connect by address and by name", "[net][coro]") {
  descriptors_kept kept;
  everywhere([] {
    tcp_listener listener("127.0.0.1", 0);
    const auto port = listener.local_address().port();
    for (int i = 0; i < 2; ++i) {
      auto connecting = weft::spawn(i == 0 ? tcp_stream::async_connect(listener.local_address(), 1h)
                                           : tcp_stream::async_connect("127.0.0.1", port));
      tcp_stream server = listener.accept();
      tcp_stream client = connecting.get();
      CHECK(client.peer_address() == listener.local_address());
      client.write("x");
      CHECK(weft_test::read_some(server) == "x");
    }
    const weft_test::closed_port nobody;
    const socket_address to = nobody.address();
    CHECK(error_of(tcp_stream::async_connect(to)) == std::errc::connection_refused);
    CHECK_THAT(message_of(tcp_stream::async_connect(to)),
               contains("weft::tcp_stream::connect " + to.to_string()));
    CHECK(error_of(tcp_stream::async_connect("127.0.0.1", to.port())) ==
          std::errc::connection_refused);
  });
}

TEST_CASE("limits and contexts of async_connect", "[net][coro]") {
  descriptors_kept kept;
  weft_test::scratch_directory dir;
  weft::run([&] {
    weft_test::black_hole hole;
    CHECK(error_of(tcp_stream::async_connect(hole.address(), 0ms)) == std::errc::timed_out);
    CHECK(error_of(tcp_stream::async_connect(hole.address(), 2ms)) == std::errc::timed_out);
    CHECK(error_of(tcp_stream::async_connect("127.0.0.1", hole.address().port(), 2ms)) ==
          std::errc::timed_out);
    unix_listener listener(dir / "socket", 0);
    std::vector<unix_stream> filling;
    while (!weft_test::error_of(
        [&] { filling.push_back(unix_stream::connect(dir / "socket", 0ms)); })) {
    }
    CHECK(error_of(unix_stream::async_connect(dir / "socket", 2ms)) == std::errc::timed_out);
    auto [ctx, cancel] = weft::with_cancel(weft::background());
    auto tcp = weft::spawn(outcome_of(tcp_stream::async_connect(hole.address(), ctx)));
    auto named =
        weft::spawn(outcome_of(tcp_stream::async_connect("127.0.0.1", hole.address().port(), ctx)));
    auto unix_one = weft::spawn(outcome_of(unix_stream::async_connect(dir / "socket", ctx)));
    until_parked(3);
    cancel();
    CHECK(tcp.get().error == std::errc::operation_canceled);
    CHECK(named.get().error == std::errc::operation_canceled);
    CHECK(unix_one.get().error == std::errc::operation_canceled);
    auto accepting = weft::spawn(listener.async_accept());
    CHECK(weft::spawn(unix_stream::async_connect(dir / "socket")).get().get() >= 0);
    accepting.get();
    CHECK(error_of(unix_stream::async_connect(dir / "none")) ==
          std::errc::no_such_file_or_directory);
  });
}

TEST_CASE("destroying a coroutine that accepts or connects takes the wait back", "[net][coro]") {
  descriptors_kept kept;
  weft_test::black_hole hole;
  tcp_listener listener("127.0.0.1", 0);
  weft::run([&] {
    {
      auto accepting = [](tcp_listener& l) -> weft_test::eager { co_await l.async_accept(); };
      auto connecting = [](socket_address to) -> weft_test::eager {
        co_await tcp_stream::async_connect(to);
      };
      weft_test::eager a = accepting(listener);
      weft_test::eager c = connecting(hole.address());
      CHECK_FALSE(a.done());
      CHECK_FALSE(c.done());
    }
    tcp_stream client = tcp_stream::connect(listener.local_address());
    CHECK(listener.accept().get() >= 0);
  });
}

TEST_CASE("the end of a run ends coroutines that accept and connect", "[net][coro]") {
  descriptors_kept kept;
  weft_test::black_hole hole;
  tcp_listener listener("127.0.0.1", 0);
  weft::run([&] {
    weft::go([&]() -> coro<> { co_await listener.async_accept(); });
    weft::go([&]() -> coro<> { co_await tcp_stream::async_connect(hole.address()); });
    until_parked(2);
  });
  CHECK(weft_test::connect_to(listener).server.get() >= 0);
}
