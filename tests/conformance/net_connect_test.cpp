// Connections that do not come about.
#include "sockets.hpp"
#include "support/scale.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

using namespace std::chrono_literals;
using weft::socket_address;
using weft::tcp_listener;
using weft::tcp_stream;
using weft_test::black_hole;
using weft_test::contains;
using weft_test::descriptors_kept;
using weft_test::error_of;
using weft_test::everywhere;
using weft_test::message_of;

TEST_CASE("a refused connection names the address", "[net][connect]") {
  descriptors_kept kept;
  everywhere([] {
    const weft_test::closed_port nobody;
    const socket_address to = nobody.address();
    CHECK(error_of([&] { tcp_stream::connect(to); }) == std::errc::connection_refused);
    CHECK_THAT(message_of([&] { tcp_stream::connect(to); }),
               contains("weft::tcp_stream::connect " + to.to_string()));
  });
}

TEST_CASE("a limit or a cancel ends connect and closes its socket", "[net][connect]") {
  descriptors_kept kept;
  everywhere([] {
    black_hole hole;
    const auto start = weft::clock::now();
    CHECK(error_of([&] { tcp_stream::connect(hole.address(), 3ms); }) == std::errc::timed_out);
    CHECK(weft::clock::now() - start >= 3ms);
    CHECK(error_of([&] { tcp_stream::connect(hole.address(), 0ms); }) == std::errc::timed_out);
    CHECK(error_of([&] { tcp_stream::connect(hole.address(), start); }) == std::errc::timed_out);
    auto [ctx, cancel] = weft::with_cancel(weft::background());
    auto [late, cancel_late] = weft::with_timeout(ctx, 2ms);
    CHECK(error_of([&] { tcp_stream::connect(hole.address(), late); }) == std::errc::timed_out);
    weft::go([c = std::move(cancel)] { c(); });
    CHECK(error_of([&] { tcp_stream::connect(hole.address(), ctx); }) ==
          std::errc::operation_canceled);
    const std::size_t before = weft_test::fd_count();
    CHECK(error_of([&] { tcp_stream::connect(hole.address(), ctx); }) ==
          std::errc::operation_canceled);
    CHECK(weft_test::fd_count() == before);
  });
}

TEST_CASE("the end of a run closes a half-open socket", "[net][connect]") {
  descriptors_kept kept;
  black_hole hole;
  weft::run([&] {
    weft::go([&] { tcp_stream::connect(hole.address()); });
    weft_test::until_parked(1);
  });
}

TEST_CASE("a socket does not connect with itself", "[net][connect]") {
  descriptors_kept kept;
  // The system picks this end's port, the even ones of its range in turn (which begins with one): one of
  // them is the port that is asked for. A listener that may have any gets an odd one.
  const int tries = 40000 / (weft_test::under_tsan || weft_test::under_valgrind ? 40 : 1);
  std::uint16_t port = tcp_listener("127.0.0.1", 0).local_address().port() & ~1U;
  while (error_of([&] { tcp_stream::connect(socket_address("127.0.0.1", port)); }) !=
         std::errc::connection_refused) {
    port -= 2;
  }
  const socket_address to("127.0.0.1", port);
  int with_itself = 0;
  int other_errors = 0;
  for (int i = 0; i < tries; ++i) {
    tcp_stream stream;
    const auto error = error_of([&] { stream = tcp_stream::connect(to); });
    other_errors += error && error != std::errc::connection_refused ? 1 : 0;
    // By now the port may be another's, who has accepted.
    if (!error) error_of([&] { with_itself += stream.local_address() == to ? 1 : 0; });
  }
  CHECK(with_itself == 0);
  CHECK(other_errors == 0);
}

TEST_CASE("connecting in turn takes no more than one limit", "[net][connect]") {
  descriptors_kept kept;
  weft::run([] {
    const weft_test::closed_port nobody;
    CHECK(error_of([&] { tcp_stream::connect("127.0.0.1", nobody.port(), 1h); }) ==
          std::errc::connection_refused);
    black_hole hole;
    CHECK(error_of([&] { tcp_stream::connect("127.0.0.1", hole.address().port(), 3ms); }) ==
          std::errc::timed_out);
    CHECK_THAT(message_of([&] { tcp_stream::connect("127.0.0.1", hole.address().port(), 3ms); }),
               contains("tcp_stream::connect 127.0.0.1:" + std::to_string(hole.address().port())));
  });
}

TEST_CASE("no descriptor for a new connection", "[net][connect]") {
  descriptors_kept kept;
  weft::run([] {
    tcp_listener listener("127.0.0.1", 0);
    weft_test::no_descriptors none;
    CHECK(error_of([&] { tcp_stream::connect(listener.local_address()); }) ==
          std::errc::too_many_files_open);
    CHECK(error_of([&] { tcp_listener("127.0.0.1", 0); }) == std::errc::too_many_files_open);
    CHECK(error_of([&] { weft::udp_socket(); }) == std::errc::too_many_files_open);
    CHECK(error_of([&] { weft::unix_stream::pair(); }) == std::errc::too_many_files_open);
  });
}
