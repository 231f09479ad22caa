// tcp_stream and tcp_listener.
#include "sockets.hpp"
#include "support/scale.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <type_traits>

using namespace std::chrono_literals;
using weft::socket_address;
using weft::tcp_listener;
using weft::tcp_stream;
using weft_test::connect_to;
using weft_test::connected;
using weft_test::contains;
using weft_test::descriptors_kept;
using weft_test::error_of;
using weft_test::everywhere;
using weft_test::message_of;
using weft_test::read_some;
using weft_test::until_parked;

namespace {

int option(int fd, int level, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  ::getsockopt(fd, level, name, &value, &size);
  return value;
}

}  // namespace

TEST_CASE("what is written at one end is read at the other", "[net][tcp]") {
  descriptors_kept kept;
  everywhere([] {
    for (const char* ip : weft_test::loopbacks()) {
      auto [client, server] = connected(ip);
      client.write("to the server");
      CHECK(read_some(server) == "to the server");
      server.write("to the client");
      CHECK(read_some(client) == "to the client");
      client.close();
      CHECK(read_some(server) == "");
      CHECK(server.read_all() == "");
    }
  });
}

TEST_CASE("an echo server, a goroutine for each connection", "[net][tcp]") {
  descriptors_kept kept;
  const int clients = static_cast<int>(weft_test::scaled(200));
  weft_test::notes notes;
  weft::run([&] {
    tcp_listener listener("127.0.0.1", 0);
    auto serving = weft::spawn([&] {
      weft::wait_group connections;
      for (;;) {
        tcp_stream stream;
        if (error_of([&] { stream = listener.accept(); })) return;
        connections.go([s = std::move(stream)]() mutable {
          std::array<std::byte, 512> buffer;
          while (std::size_t n = s.read(buffer)) s.write(std::span(buffer).first(n));
        });
      }
    });
    weft::wait_group all;
    for (int i = 0; i < clients; ++i) {
      all.go([&, i] {
        tcp_stream s = tcp_stream::connect(listener.local_address());
        const std::string text(1 + i * 7 % 1000, static_cast<char>('a' + i % 26));
        for (int k = 0; k < 3; ++k) {
          s.write(text);
          std::string back(text.size(), '\0');
          s.read_full(std::as_writable_bytes(std::span(back)));
          notes.expect(back == text, "another's bytes");
        }
        s.close_write();
        notes.expect(s.read_all().empty(), "more than was sent");
      });
    }
    all.wait();
    listener.close();
    serving.get();
  });
  CHECK(notes.text() == "");
}

TEST_CASE("types own and move", "[net][tcp]") {
  descriptors_kept kept;
  static_assert(!std::is_copy_constructible_v<tcp_stream>);
  static_assert(std::is_nothrow_move_constructible_v<tcp_stream>);
  static_assert(std::is_nothrow_move_assignable_v<tcp_listener>);
  static_assert(std::is_base_of_v<weft::file_descriptor, tcp_stream>);
  auto [client, server] = connected();
  tcp_stream moved = std::move(client);
  CHECK_FALSE(static_cast<bool>(client));
  moved.write("x");
  CHECK(read_some(server) == "x");
  moved = std::move(server);
  CHECK(read_some(moved) == "");  // its other end was closed
  CHECK(error_of([&] { client.close_write(); }) == std::errc::bad_file_descriptor);
  CHECK(error_of([&] { (void)client.local_address(); }) == std::errc::bad_file_descriptor);

  tcp_listener listener("127.0.0.1", 0);
  tcp_listener other = std::move(listener);
  CHECK(listener.get() == -1);
  CHECK_FALSE(static_cast<bool>(listener));
  CHECK(error_of([&] { listener.accept(); }) == std::errc::bad_file_descriptor);
  listener.close();
  CHECK(connect_to(other).server.get() >= 0);

  const int raw = ::dup(moved.get());
  tcp_stream adopted(raw);
  CHECK(adopted.get() == raw);
  CHECK(adopted.peer_address().ip() == "127.0.0.1");
  weft::file_descriptor& as_descriptor = adopted;
  as_descriptor.close();
}

TEST_CASE("sockets are non-blocking, close-on-exec and without delay", "[net][tcp]") {
  descriptors_kept kept;
  tcp_listener listener("127.0.0.1", 0);
  auto [client, server] = connect_to(listener);
  for (int fd : {listener.get(), client.get(), server.get()}) {
    CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    CHECK((::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
  }
  for (tcp_stream* s : {&client, &server}) {
    CHECK(option(s->get(), IPPROTO_TCP, TCP_NODELAY) != 0);
    s->no_delay(false);
    CHECK(option(s->get(), IPPROTO_TCP, TCP_NODELAY) == 0);
    s->no_delay(true);
    CHECK(option(s->get(), IPPROTO_TCP, TCP_NODELAY) != 0);
  }
  CHECK(option(listener.get(), SOL_SOCKET, SO_REUSEADDR) != 0);
}

TEST_CASE("keep_alive", "[net][tcp]") {
  descriptors_kept kept;
  auto [client, server] = connected();
  const int fd = client.get();
  CHECK(option(fd, SOL_SOCKET, SO_KEEPALIVE) == 0);
  client.keep_alive(90s);
  CHECK(option(fd, SOL_SOCKET, SO_KEEPALIVE) == 1);
  CHECK(option(fd, IPPROTO_TCP, TCP_KEEPIDLE) == 90);
  CHECK(option(fd, IPPROTO_TCP, TCP_KEEPINTVL) == 90);
  client.keep_alive(1min);
  CHECK(option(fd, IPPROTO_TCP, TCP_KEEPIDLE) == 60);
  client.keep_alive(0s);
  CHECK(option(fd, SOL_SOCKET, SO_KEEPALIVE) == 0);
  CHECK(error_of([&] { client.keep_alive(-1s); }) == std::errc::invalid_argument);
  CHECK(error_of([&] { client.keep_alive(24h); }) == std::errc::invalid_argument);
  CHECK(option(fd, SOL_SOCKET, SO_KEEPALIVE) == 0);
}

TEST_CASE("each end knows both addresses", "[net][tcp]") {
  descriptors_kept kept;
  for (const char* ip : weft_test::loopbacks()) {
    tcp_listener listener(ip, 0);
    CHECK(listener.local_address().ip() == ip);
    CHECK(listener.local_address().port() != 0);
    const auto [client, server] = connect_to(listener);
    CHECK(client.peer_address() == listener.local_address());
    CHECK(server.local_address() == listener.local_address());
    CHECK(server.peer_address() == client.local_address());
    CHECK(server.peer_address().ip() == ip);
  }
  tcp_listener listener("127.0.0.1", 0);
  listener.close();
  CHECK(error_of([&] { (void)listener.local_address(); }) == std::errc::bad_file_descriptor);
}

TEST_CASE("without an address it listens on every address of both families", "[net][tcp]") {
  descriptors_kept kept;
  everywhere([] {
    tcp_listener listener("", 0);
    const auto port = listener.local_address().port();
    auto addresses = weft_test::loopbacks();
    addresses.push_back("127.0.0.9");
    for (const char* ip : addresses) {
      tcp_stream client = tcp_stream::connect(socket_address(ip, port));
      tcp_stream server = listener.accept();
      CHECK(server.local_address().ip() == ip);
      CHECK(server.peer_address() == client.local_address());
    }
    // What it says of itself, which is [::], can be connected to.
    if (addresses.size() > 2) connect_to(listener);
  });
}

TEST_CASE("one family alone leaves the port of the other free", "[net][tcp]") {
  descriptors_kept kept;
  if (weft_test::loopbacks().size() == 1) {
    WARN("there is no ::1 here");
    return;
  }
  // The other family's may be somebody else's, but not each time.
  for (int tries = 1;; ++tries) {
    tcp_listener v4("0.0.0.0", 0);
    const auto port = v4.local_address().port();
    tcp_listener v6;
    const auto error = error_of([&] { v6 = tcp_listener("::", port); });
    if (error == std::errc::address_in_use && tries < 20) continue;
    REQUIRE_FALSE(error);
    CHECK(error_of([&] { tcp_listener("", port); }) == std::errc::address_in_use);
    break;
  }
}

TEST_CASE("a listener that cannot be says why", "[net][tcp]") {
  descriptors_kept kept;
  tcp_listener listener("127.0.0.1", 0);
  const auto port = listener.local_address().port();
  CHECK(error_of([&] { tcp_listener("127.0.0.1", port); }) == std::errc::address_in_use);
  CHECK_THAT(message_of([&] { tcp_listener("127.0.0.1", port); }),
             contains("tcp_listener 127.0.0.1:" + std::to_string(port)));
  CHECK(error_of([&] { tcp_listener("192.0.2.1", 0); }) == std::errc::address_not_available);
  CHECK(error_of([&] { tcp_listener("localhost", 0); }) == std::errc::invalid_argument);
}

TEST_CASE("a server may begin again at once", "[net][tcp]") {
  descriptors_kept kept;
  tcp_listener listener("127.0.0.1", 0);
  const auto port = listener.local_address().port();
  auto [client, server] = connect_to(listener);
  server.close();  // first, so that the server's port waits out the connection
  client.close();
  listener.close();
  tcp_listener again("127.0.0.1", port);
  CHECK(connect_to(again).server.get() >= 0);
}

TEST_CASE("a socket that is connected already is taken over as it is", "[net][tcp]") {
  descriptors_kept kept;
  everywhere([] {
    tcp_listener listener("127.0.0.1", 0);
    const weft::socket_address at = listener.local_address();
    tcp_stream client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(::connect(client.get(), at.data(), at.size()) == 0);
    tcp_stream server = listener.accept();
    CHECK((::fcntl(client.get(), F_GETFL) & O_NONBLOCK) == 0);
    // In blocking mode, and yet it waits for nobody.
    CHECK(error_of([&] { read_some(client, 1ms); }) == std::errc::timed_out);
    server.write("to whom it is now");
    CHECK(read_some(client) == "to whom it is now");
    const std::string block(1 << 20, 'b');
    CHECK(error_of([&] {
            for (;;) client.write(block, 1ms);
          }) == std::errc::timed_out);
    CHECK(client.peer_address() == at);
    CHECK((::fcntl(client.get(), F_GETFL) & O_NONBLOCK) == 0);
    const int number = client.get();
    client.close();
    CHECK(::fcntl(number, F_GETFD) == -1);
  });
}

TEST_CASE("close_write ends one direction", "[net][tcp]") {
  descriptors_kept kept;
  everywhere([] {
    auto [client, server] = connected();
    client.write("question");
    client.close_write();
    client.close_write();
    CHECK(server.read_all() == "question");
    server.write("an answer");
    server.write(" in two parts");
    server.close_write();
    CHECK(client.read_all() == "an answer in two parts");
    CHECK(error_of([&] { client.write("more"); }) == std::errc::broken_pipe);
    client.close();
    CHECK(error_of([&] { client.close_write(); }) == std::errc::bad_file_descriptor);
  });
}

TEST_CASE("the other end gone is broken_pipe and never SIGPIPE", "[net][tcp]") {
  descriptors_kept kept;
  // SIGPIPE would end this process.
  everywhere([] {
    for (const bool unread : {false, true}) {
      CAPTURE(unread);
      auto [client, server] = connected();
      if (unread) server.write("never read");  // then closing resets the connection
      client.close();
      std::error_code error;
      while (!error) error = error_of([&] { server.write("x"); });
      CHECK(error == std::errc::broken_pipe);
      CHECK(error_of([&] { server.write("x"); }) == std::errc::broken_pipe);
    }
  });
}

TEST_CASE("a writer that waits learns that the other end is gone", "[net][tcp]") {
  descriptors_kept kept;
  weft::run([] {
    auto [client, server] = connected();
    auto writing = weft::spawn([&s = server] {
      const std::string block(1 << 20, 'w');
      return error_of([&] {
        for (;;) s.write(block);
      });
    });
    until_parked(1);
    client.close();
    CHECK(writing.get() == std::errc::broken_pipe);
  });
}

TEST_CASE("close from another goroutine ends every wait", "[net][tcp]") {
  descriptors_kept kept;
  weft::run([] {
    auto [client, server] = connected();
    tcp_listener listener("127.0.0.1", 0);
    auto reading = weft::spawn([&s = server] { return error_of([&] { read_some(s); }); });
    auto writing = weft::spawn([&s = server] {
      const std::string block(1 << 20, 'w');
      return error_of([&] {
        for (;;) s.write(block);
      });
    });
    auto accepting = weft::spawn([&] { return error_of([&] { listener.accept(); }); });
    auto accepting_too = weft::spawn([&] { return error_of([&] { listener.accept(1h); }); });
    until_parked(4);
    server.close();
    listener.close();
    CHECK(reading.get() == std::errc::bad_file_descriptor);
    CHECK(writing.get() == std::errc::bad_file_descriptor);
    CHECK(accepting.get() == std::errc::bad_file_descriptor);
    CHECK(accepting_too.get() == std::errc::bad_file_descriptor);
    CHECK(error_of([&] { listener.accept(); }) == std::errc::bad_file_descriptor);
    CHECK(error_of([&] { read_some(server); }) == std::errc::bad_file_descriptor);
    CHECK(error_of([&] { server.no_delay(true); }) == std::errc::bad_file_descriptor);
  });
}

TEST_CASE("a reader that waits is woken by close", "[net][tcp]") {
  descriptors_kept kept;
  weft::run([] {
    auto [client, server] = connected();
    auto reading = weft::spawn([&c = client] { return error_of([&] { read_some(c); }); });
    until_parked(1);
    client.close();
    CHECK(reading.get() == std::errc::bad_file_descriptor);
    CHECK(read_some(server) == "");
  });
}

TEST_CASE("close from a thread beside plain threads that wait", "[net][tcp]") {
  descriptors_kept kept;
  auto [client, server] = connected();
  tcp_listener listener("127.0.0.1", 0);
  std::error_code read_error;
  std::error_code accept_error;
  {
    std::jthread reader([&, &c = client] { read_error = error_of([&] { read_some(c); }); });
    std::jthread acceptor([&] { accept_error = error_of([&] { listener.accept(); }); });
    client.close();
    listener.close();
  }
  CHECK(read_error == std::errc::bad_file_descriptor);
  CHECK(accept_error == std::errc::bad_file_descriptor);
}

TEST_CASE("limits and contexts of accept, read and write", "[net][tcp]") {
  descriptors_kept kept;
  everywhere([] {
    tcp_listener listener("127.0.0.1", 0);
    for (auto limit : {0ms, 2ms}) {
      const auto start = weft::clock::now();
      CHECK(error_of([&] { listener.accept(limit); }) == std::errc::timed_out);
      CHECK(weft::clock::now() - start >= limit);
    }
    auto [ctx, cancel] = weft::with_cancel(weft::background());
    auto [short_ctx, cancel_short] = weft::with_timeout(ctx, 2ms);
    CHECK(error_of([&] { listener.accept(short_ctx); }) == std::errc::timed_out);
    auto [client, server] = connect_to(listener);
    CHECK(error_of([&] { server.read_all(2ms); }) == std::errc::timed_out);
    const std::string block(8 << 20, 'b');
    CHECK(error_of([&] { server.write(block, 2ms); }) == std::errc::timed_out);
    weft::go([c = std::move(cancel)]() { c(); });
    CHECK(error_of([&] { listener.accept(ctx); }) == std::errc::operation_canceled);
    CHECK(error_of([&] { listener.accept(ctx); }) == std::errc::operation_canceled);
    CHECK(error_of([&, &s = server] { s.write(block, ctx); }) == std::errc::operation_canceled);
    // What is there is taken all the same.
    tcp_stream waiting = tcp_stream::connect(listener.local_address());
    CHECK(listener.accept(ctx).get() >= 0);
  });
}

TEST_CASE("much at once in both directions", "[net][tcp]") {
  descriptors_kept kept;
  const std::size_t size = weft_test::scaled(std::size_t{8} << 20);
  auto transfer = [size] {
    auto [client, server] = connected();
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i % 23);
    auto send = [&](tcp_stream& s) {
      s.write(text);
      s.close_write();
    };
    auto a = weft::spawn([&, &s = client] { send(s); });
    auto b = weft::spawn([&, &s = server] { send(s); });
    auto at_server = weft::spawn([&, &s = server] { return s.read_all({}, size); });
    CHECK((client.read_all({}, size) == text));
    CHECK((at_server.get() == text));
    a.get();
    b.get();
  };
  weft::run(transfer);
  transfer();
}

TEST_CASE("one reads while another writes and a third closes a connection", "[net][tcp]") {
  descriptors_kept kept;
  const int rounds = static_cast<int>(weft_test::scaled(200));
  weft_test::notes notes;
  weft::run([&] {
    tcp_listener listener("127.0.0.1", 0);
    for (int i = 0; i < rounds; ++i) {
      auto [client, server] = connect_to(listener);
      weft::wait_group group;
      const auto use = [&](tcp_stream& s) {
        group.go([&notes, &s] {
          const auto e = error_of([&] {
            while (!read_some(s, 4096).empty()) {
            }
          });
          notes.expect(
              !e || e == std::errc::bad_file_descriptor || e == std::errc::connection_reset,
              "a read: " + e.message());
        });
        group.go([&notes, &s] {
          const auto e = error_of([&] {
            for (;;) {
              s.write("some text");
              weft::yield();  // or it fills the buffers first
            }
          });
          notes.expect(e == std::errc::bad_file_descriptor || e == std::errc::broken_pipe,
                       "a write: " + e.message());
        });
      };
      use(client);
      use(server);
      for (int k = 0; k < i % 7; ++k) weft::yield();
      (i % 2 == 0 ? client : server).close();
      group.wait();
    }
  });
  CHECK(notes.text() == "");
}

TEST_CASE("messages name what was done with what", "[net][tcp]") {
  auto [client, server] = connected();
  CHECK_THAT(message_of([] { read_some(*std::make_unique<tcp_stream>()); }), contains("read"));
  const std::string number = std::to_string(server.get());
  CHECK_THAT(message_of([&] { server.read_all(0ms); }), contains("(descriptor " + number + ")"));
  tcp_listener listener("127.0.0.1", 0);
  CHECK_THAT(message_of([&] { listener.accept(0ms); }),
             contains("weft::tcp_listener::accept (descriptor " + std::to_string(listener.get())));
}
