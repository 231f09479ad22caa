// udp_socket.
#include "sockets.hpp"

#include <fcntl.h>

#include <array>
#include <type_traits>

using namespace std::chrono_literals;
using weft::socket_address;
using weft::udp_socket;
using weft_test::contains;
using weft_test::descriptors_kept;
using weft_test::error_of;
using weft_test::everywhere;
using weft_test::message_of;
using weft_test::text_of;
using weft_test::until_parked;

namespace {

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

struct datagram {
  std::string text;
  socket_address from;
};
datagram receive(udp_socket& s, std::size_t most = 2048, weft::wait_limit limit = {}) {
  std::vector<std::byte> buffer(most);
  const auto [n, from] = s.receive_from(buffer, limit);
  return {text_of(std::span(buffer).first(n)), from};
}

}  // namespace

TEST_CASE("datagrams arrive whole and say where they come from", "[net][udp]") {
  descriptors_kept kept;
  everywhere([] {
    for (const char* ip : weft_test::loopbacks()) {
      udp_socket a(ip);
      udp_socket b(ip);
      CHECK(a.local_address().ip() == ip);
      CHECK(a.local_address().port() != 0);
      a.send_to(bytes("one"), b.local_address());
      a.send_to(bytes(""), b.local_address());
      a.send_to(bytes("three"), b.local_address());
      const datagram first = receive(b);
      CHECK(first.text == "one");
      CHECK(first.from == a.local_address());
      CHECK(receive(b).text.empty());
      CHECK(receive(b, 2).text == "th");  // the rest is lost
      b.send_to(bytes("back"), first.from);
      CHECK(receive(a).text == "back");
    }
  });
}

TEST_CASE("by default a socket is for both families", "[net][udp]") {
  descriptors_kept kept;
  everywhere([] {
    udp_socket both;
    for (const char* ip : weft_test::loopbacks()) {
      udp_socket one(ip);
      both.send_to(bytes("hello"), one.local_address());
      const datagram got = receive(one);
      CHECK(got.text == "hello");
      CHECK(got.from == socket_address(ip, both.local_address().port()));
      one.send_to(bytes("and back"), got.from);
      const datagram back = receive(both);
      CHECK(back.text == "and back");
      CHECK(back.from == one.local_address());
      both.send_to(bytes("again"), back.from);
      CHECK(receive(one).text == "again");
    }
  });
}

TEST_CASE("udp sockets own and move", "[net][udp]") {
  descriptors_kept kept;
  static_assert(!std::is_copy_constructible_v<udp_socket>);
  udp_socket a("127.0.0.1");
  const int number = a.get();
  CHECK((::fcntl(number, F_GETFD) & FD_CLOEXEC) != 0);
  CHECK((::fcntl(number, F_GETFL) & O_NONBLOCK) != 0);
  udp_socket b = std::move(a);
  CHECK(b.get() == number);
  CHECK_FALSE(static_cast<bool>(a));
  CHECK(error_of([&] { receive(a); }) == std::errc::bad_file_descriptor);
  a = std::move(b);
  CHECK(a.get() == number);
  a.close();
  a.close();
  CHECK(error_of([&] { (void)a.local_address(); }) == std::errc::bad_file_descriptor);
  CHECK(error_of([&] { a.send_to({}, socket_address("127.0.0.1", 9)); }) ==
        std::errc::bad_file_descriptor);
}

TEST_CASE("limits, contexts and close of receive_from", "[net][udp]") {
  descriptors_kept kept;
  weft::run([] {
    udp_socket s("127.0.0.1");
    CHECK(error_of([&] { receive(s, 10, 0ms); }) == std::errc::timed_out);
    CHECK(error_of([&] { receive(s, 10, 2ms); }) == std::errc::timed_out);
    auto [ctx, cancel] = weft::with_cancel(weft::background());
    auto cancelled = weft::spawn([&, ctx = ctx] { return error_of([&] { receive(s, 10, ctx); }); });
    until_parked(1);
    cancel();
    CHECK(cancelled.get() == std::errc::operation_canceled);
    auto closed = weft::spawn([&] { return error_of([&] { receive(s); }); });
    until_parked(1);
    s.close();
    CHECK(closed.get() == std::errc::bad_file_descriptor);
  });
}

TEST_CASE("what a datagram cannot be, and where it cannot go", "[net][udp]") {
  descriptors_kept kept;
  udp_socket s("127.0.0.1");
  const std::vector<std::byte> huge(70000);
  const socket_address to = s.local_address();
  CHECK(error_of([&] { s.send_to(huge, to); }) == std::errc::message_size);
  CHECK_THAT(message_of([&] { s.send_to(huge, to); }),
             contains("udp_socket::send_to " + to.to_string()));
  s.send_to(std::span(huge).first(65507), to);
  CHECK(receive(s, 70000).text.size() == 65507);
  CHECK(error_of([&] { s.send_to({}, socket_address("::1", 9)); }).value() != 0);
  CHECK(error_of([&] { udp_socket("127.0.0.1", to.port()); }) == std::errc::address_in_use);
  CHECK_THAT(message_of([&] { udp_socket("127.0.0.1", to.port()); }),
             contains("udp_socket " + to.to_string()));
  CHECK(error_of([&] { udp_socket("example.org"); }) == std::errc::invalid_argument);
}

TEST_CASE("many goroutines share a socket", "[net][udp]") {
  descriptors_kept kept;
  weft_test::notes notes;
  weft::run([&] {
    udp_socket server("127.0.0.1");
    const socket_address to = server.local_address();
    weft::wait_group answering;
    for (int i = 0; i < 3; ++i) {
      answering.go([&] {
        (void)error_of([&] {
          for (;;) {
            const datagram d = receive(server);
            server.send_to(bytes(d.text), d.from);
          }
        });
      });
    }
    weft::wait_group asking;
    for (int i = 0; i < 20; ++i) {
      asking.go([&, i] {
        udp_socket s;
        for (int k = 0; k < 20; ++k) {
          const std::string text = std::to_string(i) + ':' + std::to_string(k);
          s.send_to(bytes(text), to);
          notes.expect(receive(s).text == text, "another's answer");
        }
      });
    }
    asking.wait();
    server.close();
  });
  CHECK(notes.text() == "");
}
