// socket_address.
#include "sockets.hpp"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>

#include <cstring>

using weft::socket_address;
using weft_test::contains;
using weft_test::error_of;
using weft_test::message_of;

TEST_CASE("addresses come back as they were given", "[net][address]") {
  const socket_address v4("192.0.2.1", 80);
  CHECK(v4.ip() == "192.0.2.1");
  CHECK(v4.port() == 80);
  CHECK(v4.to_string() == "192.0.2.1:80");
  CHECK(v4.data()->sa_family == AF_INET);
  CHECK(v4.size() == sizeof(sockaddr_in));
  const socket_address v6("2001:DB8:0::1", 65535);
  CHECK(v6.ip() == "2001:db8::1");
  CHECK(v6.port() == 65535);
  CHECK(v6.to_string() == "[2001:db8::1]:65535");
  CHECK(v6.data()->sa_family == AF_INET6);
  CHECK(v6.size() == sizeof(sockaddr_in6));
  CHECK(socket_address("::", 0).to_string() == "[::]:0");
  CHECK(socket_address("0.0.0.0", 0).to_string() == "0.0.0.0:0");
  sockaddr_in raw{};
  std::memcpy(&raw, v4.data(), v4.size());
  CHECK(raw.sin_port == htons(80));
  CHECK(raw.sin_addr.s_addr == inet_addr("192.0.2.1"));
}

TEST_CASE("an interface by name or number", "[net][address]") {
  const unsigned lo = if_nametoindex("lo");
  REQUIRE(lo != 0);
  const socket_address by_name("fe80::1%lo", 7);
  CHECK(by_name.ip() == "fe80::1%lo");
  CHECK(by_name.to_string() == "[fe80::1%lo]:7");
  CHECK(by_name == socket_address("fe80::1%" + std::to_string(lo), 7));
  CHECK_FALSE(by_name == socket_address("fe80::1", 7));
  CHECK(socket_address("fe80::1%4000000", 7).ip() == "fe80::1%4000000");
}

TEST_CASE("addresses are equal in all their parts", "[net][address]") {
  CHECK(socket_address("::1", 1) == socket_address("0:0:0:0:0:0:0:1", 1));
  CHECK_FALSE(socket_address("::1", 1) == socket_address("::1", 2));
  CHECK_FALSE(socket_address("::1", 1) == socket_address("::2", 1));
  CHECK_FALSE(socket_address("127.0.0.1", 1) == socket_address("127.0.0.2", 1));
  CHECK_FALSE(socket_address("0.0.0.0", 1) == socket_address("::", 1));
}

TEST_CASE("from the system's form; mapped ones are IPv4", "[net][address]") {
  const socket_address v6("2001:db8::1%1", 9);
  CHECK(socket_address::from(v6.data(), v6.size()) == v6);
  const socket_address v4("192.0.2.7", 9);
  CHECK(socket_address::from(v4.data(), v4.size()) == v4);
  const socket_address mapped("::ffff:192.0.2.7", 9);
  CHECK(mapped.ip() == "::ffff:192.0.2.7");
  CHECK(socket_address::from(mapped.data(), mapped.size()) == v4);
  sockaddr other{};
  other.sa_family = AF_UNIX;
  CHECK(error_of([&] { socket_address::from(&other, sizeof other); }) ==
        std::errc::address_family_not_supported);
  CHECK(error_of([&] { socket_address::from(v4.data(), 1); }) ==
        std::errc::address_family_not_supported);
}

TEST_CASE("what is wrong with an address is said", "[net][address]") {
  struct wrong {
    std::string ip, why;
  };
  for (const wrong& w : std::vector<wrong>{
           {"", "it is empty"},
           {"localhost", "weft::resolve() looks names up"},
           {"256.0.0.1", "a number is above 255: 256"},
           {"1.2.3", "an IPv4 address has 4 numbers, this one 3"},
           {"1.2.3.4.5", "this one 5"},
           {"1.2.3.4444444444444444444444", "above 255: 4444444444444444444444"},
           {"1..2.3", "a number is missing"},
           {"1.2.3.", "a number is missing"},
           {"1.2.3.04", "a number begins with 0: 04"},
           {"1.2.3.4:80", "the port is a parameter of its own"},
           {"[::1]", "without brackets"},
           {"::1::2", "not an IPv6 address"},
           {"12345::", "not an IPv6 address"},
           {"10.0.0.0/8", "without '/'"},
           {"1.2.3.4 ", "neither"},
           {" ", "neither"},
           {"fe80::1%nosuch0", "no interface is named \"nosuch0\""},
           {"fe80::1%", "no interface is named \"\""},
           {"fe80::1%0", "no interface is named \"0\""},
           {"127.0.0.1%lo", "has no interface"},
           {std::string("127.0.0.1\0x", 11), "a NUL character"},
           {std::string("fe80::1%lo\0x", 12), "a NUL character"},
       }) {
    CAPTURE(w.ip);
    CHECK(error_of([&] { socket_address(w.ip, 1); }) == std::errc::invalid_argument);
    CHECK_THAT(message_of([&] { socket_address(w.ip, 1); }), contains(w.why));
    CHECK_THAT(message_of([&] { socket_address(w.ip, 1); }), contains("socket_address"));
  }
}
