// IP addresses as text and as the system has them.
//
// one_form: what the system gives as an IPv4 address mapped into IPv6 is kept as IPv4, so that equal
//   addresses compare equal whatever socket they came from; udp_socket maps them back.
// Proved by: tests/conformance/net_address_test.cpp.
#include "weft/net/address.hpp"

#include <arpa/inet.h>
#include <net/if.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "net/fail.hpp"

namespace weft {

using namespace detail;

namespace {

[[noreturn]] void fail_parse(std::string_view ip, const std::string& why) {
  fail_net(EINVAL, "socket_address \"" + std::string(ip) + "\": " + why);
}

// Why inet_pton did not take it.
std::string wrong_v4(std::string_view ip) {
  std::size_t numbers = 0;
  for (std::string_view rest = ip;; ++numbers) {
    const std::size_t end = rest.find('.');
    const std::string_view part = rest.substr(0, end);
    if (part.empty()) return "a number is missing";
    if (part.size() > 1 && part[0] == '0') return "a number begins with 0: " + std::string(part);
    unsigned number = 0;  // not std::stoi, which keeps errno's address
    std::from_chars(part.data(), part.data() + part.size(), number);
    if (part.size() > 3 || number > 255) {
      return "a number is above 255: " + std::string(part);
    }
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  return "an IPv4 address has 4 numbers, this one " + std::to_string(numbers + 1);
}

std::string wrong(std::string_view ip) {
  if (ip.empty()) return "it is empty";
  if (ip.front() == '[') return "without brackets, please";
  const std::size_t colons = static_cast<std::size_t>(std::ranges::count(ip, ':'));
  if (colons == 1) return "the port is a parameter of its own";
  if (colons > 1) return "not an IPv6 address";
  if (ip.find_first_not_of("0123456789.") == std::string_view::npos) return wrong_v4(ip);
  if (ip.find('/') != std::string_view::npos) return "a single address, please, without '/'";
  return "neither an IPv4 nor an IPv6 address; weft::resolve() looks names up";
}

// An interface by number or name; 0: there is none.
std::uint32_t scope_of(const std::string& name) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error == std::errc{} && end == name.data() + name.size()) return number;
  return if_nametoindex(name.c_str());
}

}  // namespace

socket_address::socket_address(std::string_view ip, std::uint16_t port) : v6_{} {
  const std::size_t percent = ip.find('%');
  const std::string number(ip.substr(0, percent));
  if (ip.find('\0') != std::string_view::npos) fail_parse(number.c_str(), "a NUL character in it");
  in_addr v4{};
  const bool is_v4 = inet_pton(AF_INET, number.c_str(), &v4) == 1;
  if (is_v4 && percent == std::string_view::npos) {
    v4_.sin_family = AF_INET;
    v4_.sin_port = htons(port);
    v4_.sin_addr = v4;
    return;
  }
  in6_addr v6{};
  if (inet_pton(AF_INET6, number.c_str(), &v6) != 1) {
    fail_parse(ip, is_v4 ? "an IPv4 address has no interface" : wrong(number));
  }
  v6_.sin6_family = AF_INET6;
  v6_.sin6_port = htons(port);
  v6_.sin6_addr = v6;
  if (percent == std::string_view::npos) return;
  const std::string scope(ip.substr(percent + 1));
  v6_.sin6_scope_id = scope.empty() ? 0 : scope_of(scope);
  if (v6_.sin6_scope_id == 0) fail_parse(ip, "no interface is named \"" + scope + "\"");
}

socket_address socket_address::from(const sockaddr* address, socklen_t size) {
  socket_address a;
  const sa_family_t family = size >= sizeof(sa_family_t) ? address->sa_family : sa_family_t{AF_UNSPEC};
  if (family == AF_INET && size >= sizeof a.v4_) {
    std::memcpy(&a.v4_, address, sizeof a.v4_);
    std::memset(a.v4_.sin_zero, 0, sizeof a.v4_.sin_zero);
  } else if (family == AF_INET6 && size >= sizeof a.v6_) {
    std::memcpy(&a.v6_, address, sizeof a.v6_);
    a.v6_.sin6_flowinfo = 0;
    if (IN6_IS_ADDR_V4MAPPED(&a.v6_.sin6_addr)) {
      sockaddr_in v4{};
      v4.sin_family = AF_INET;
      v4.sin_port = a.v6_.sin6_port;
      std::memcpy(&v4.sin_addr, &a.v6_.sin6_addr.s6_addr[12], sizeof v4.sin_addr);
      a.v6_ = {};
      a.v4_ = v4;
    }
  } else {
    fail_net(EAFNOSUPPORT, "socket_address: family " + std::to_string(family));
  }
  return a;
}

std::string socket_address::ip() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (!is_v6()) return inet_ntop(AF_INET, &v4_.sin_addr, text, sizeof text);
  inet_ntop(AF_INET6, &v6_.sin6_addr, text, sizeof text);
  if (v6_.sin6_scope_id == 0) return text;
  char name[IF_NAMESIZE] = "";
  const bool known = if_indextoname(v6_.sin6_scope_id, name) != nullptr;
  return std::string(text) + '%' + (known ? name : std::to_string(v6_.sin6_scope_id));
}

std::string socket_address::to_string() const {
  const std::string number = std::to_string(port());
  return is_v6() ? '[' + ip() + "]:" + number : ip() + ':' + number;
}

std::uint16_t socket_address::port() const noexcept {
  return ntohs(is_v6() ? v6_.sin6_port : v4_.sin_port);
}

const sockaddr* socket_address::data() const noexcept {
  return reinterpret_cast<const sockaddr*>(this);
}

socklen_t socket_address::size() const noexcept {
  return is_v6() ? sizeof v6_ : sizeof v4_;
}

bool operator==(const socket_address& a, const socket_address& b) noexcept {
  if (a.is_v6() != b.is_v6() || a.port() != b.port()) return false;
  if (!a.is_v6()) return a.v4_.sin_addr.s_addr == b.v4_.sin_addr.s_addr;
  return IN6_ARE_ADDR_EQUAL(&a.v6_.sin6_addr, &b.v6_.sin6_addr) != 0 &&
         a.v6_.sin6_scope_id == b.v6_.sin6_scope_id;
}

}  // namespace weft
