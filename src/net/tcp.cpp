// TCP: connecting, listening, and what a connection has beside a file_descriptor's calls.
//
// Connecting calls connect(2) again after each wait: it says whether the connection stands, so that a
// wake for another reason does no harm.
// Proved by: tests/conformance/net_tcp_test.cpp, net_connect_test.cpp, net_accept_test.cpp.
#include "weft/net/tcp.hpp"

#include <netinet/tcp.h>

#include <cerrno>
#include <optional>

#include "net/accept.hpp"
#include "net/fail.hpp"
#include "net/lookup.hpp"
#include "net/pause.hpp"
#include "net/socket.hpp"
#include "weft/net/resolve.hpp"

namespace weft {

using namespace detail;

namespace {

// On this host a socket whose own port the system picks may get the one that it connects to, and is
// then connected with itself, where nobody listens.
bool meets_itself(int fd, const socket_address& to) {
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size) != 0) return false;
  return socket_address::from(reinterpret_cast<sockaddr*>(&own), size) == to;
}

ssize_t try_connect(int fd, const socket_address& to) {
  if (::connect(fd, to.data(), to.size()) != 0) {
    const int error = last_error();
    if (error == EINPROGRESS || error == EALREADY) return -EAGAIN;
    if (error != EISCONN) return -error;
  }
  return meets_itself(fd, to) ? -ECONNREFUSED : 0;
}

tcp_stream made_for(const socket_address& to) {
  tcp_stream stream(
      make_socket(to.data()->sa_family, SOCK_STREAM, "tcp_stream::connect " + to.to_string()));
  descriptor_use::note_kind(stream, descriptor_kind::tcp);
  stream.no_delay(true);
  return stream;
}

// Says the address, which tells more than a descriptor's number.
[[noreturn]] void fail_connect(const std::system_error& e, const socket_address& to) {
  throw std::system_error(e.code(), "weft::tcp_stream::connect " + to.to_string());
}

class connect_operation : public async_operation {
 public:
  connect_operation(tcp_stream& stream, const socket_address& to, wait_limit limit) noexcept
      : async_operation(stream, "tcp_stream::connect", true, std::move(limit), &attempt), to_(to) {}
  void await_resume() { take_result(); }

 private:
  static ssize_t attempt(async_operation& op, descriptor_use& use) {
    return try_connect(use.fd, static_cast<connect_operation&>(op).to_);
  }
  const socket_address& to_;
};

// The limit for the next of so many addresses.
class share_of_limit {
 public:
  share_of_limit(const wait_limit& limit, std::size_t left) : limit_(limit) {
    if (left < 2) return;
    std::optional<clock::time_point> end = limit.ends_with().deadline();
    if (!limit.get().is_never()) end = clock::time_point(clock::duration(limit.get().at));
    if (!end) return;
    const auto now = clock::now();
    const auto share = (*end - now) / static_cast<std::int64_t>(left);
    auto [ctx, cancel] = with_deadline(limit.ends_with(), now + share);
    cancel_ = std::move(cancel);
    limit_ = wait_limit(std::move(ctx));
  }
  const wait_limit& get() const noexcept { return limit_; }

 private:
  cancel_function cancel_;
  wait_limit limit_;
};

// Going through a host's addresses, of which there is one at least.
class attempts {
 public:
  attempts(const std::string& host, std::uint16_t port, const std::vector<socket_address>& addresses,
           const wait_limit& limit)
      : what_("weft::tcp_stream::connect " + host + ':' + std::to_string(port)),
        addresses_(addresses),
        limit_(limit) {}
  std::size_t left() const noexcept { return addresses_.size() - at_; }
  const socket_address& next() const noexcept { return addresses_[at_]; }
  // Throws if there is no other to try, or no time for it: of each address what happened to it.
  void failed(const std::error_code& error) {
    report_ += (at_ == 0 ? "" : ", ") + next().to_string();
    if (++at_ == addresses_.size()) {
      throw std::system_error(error, what_ + " (" + report_ + ")");  // the error is the message's end
    }
    report_ += ": " + error.message();
    if (const int over = growing_pause::error_of(limit_); over != 0) {
      throw std::system_error(over, std::generic_category(), what_ + " (" + report_ + ")");
    }
  }

 private:
  std::string what_;
  const std::vector<socket_address>& addresses_;
  const wait_limit& limit_;
  std::size_t at_ = 0;
  std::string report_;
};

}  // namespace

tcp_stream tcp_stream::connect(const socket_address& to, wait_limit limit) {
  tcp_stream stream = made_for(to);
  try {
    descriptor_use use(stream, "tcp_stream::connect");
    use.until_done(true, limit, [&] { return try_connect(use.fd, to); });
  } catch (const std::system_error& e) {
    fail_connect(e, to);
  }
  return stream;
}

coro<tcp_stream> tcp_stream::async_connect(socket_address to, wait_limit limit) {
  tcp_stream stream = made_for(to);
  try {
    co_await connect_operation(stream, to, std::move(limit));
  } catch (const std::system_error& e) {
    fail_connect(e, to);
  }
  co_return stream;
}

tcp_stream tcp_stream::connect(std::string host, std::uint16_t port, wait_limit limit) {
  const std::vector<socket_address> addresses = resolve(host, std::to_string(port), limit);
  for (attempts tried(host, port, addresses, limit);;) {
    const share_of_limit share(limit, tried.left());
    try {
      return connect(tried.next(), share.get());
    } catch (const std::system_error& e) {
      tried.failed(e.code());
    }
  }
}

coro<tcp_stream> tcp_stream::async_connect(std::string host, std::uint16_t port, wait_limit limit) {
  const std::vector<socket_address> addresses =
      co_await async_resolve(host, std::to_string(port), limit);
  for (attempts tried(host, port, addresses, limit);;) {
    const share_of_limit share(limit, tried.left());
    try {
      co_return co_await async_connect(tried.next(), share.get());
    } catch (const std::system_error& e) {
      tried.failed(e.code());
    }
  }
}

void tcp_stream::close_write() { close_write_end(*this, "tcp_stream::close_write"); }

void tcp_stream::no_delay(bool on) {
  set_option(*this, IPPROTO_TCP, TCP_NODELAY, on ? 1 : 0, "tcp_stream::no_delay");
}

void tcp_stream::keep_alive(std::chrono::seconds interval) {
  const char* what = "tcp_stream::keep_alive";
  if (interval.count() < 0 || interval.count() > 32767) {
    std::string message = what;
    message += ": 0 to 32767 seconds, not ";
    message += std::to_string(interval.count());
    fail_net(EINVAL, message);
  }
  const int seconds = static_cast<int>(interval.count());
  if (seconds > 0) {
    set_option(*this, IPPROTO_TCP, TCP_KEEPIDLE, seconds, what);
    set_option(*this, IPPROTO_TCP, TCP_KEEPINTVL, seconds, what);
  }
  set_option(*this, SOL_SOCKET, SO_KEEPALIVE, seconds > 0 ? 1 : 0, what);
}

socket_address tcp_stream::local_address() const {
  return address_of(*this, &getsockname, "tcp_stream::local_address");
}
socket_address tcp_stream::peer_address() const {
  return address_of(*this, &getpeername, "tcp_stream::peer_address");
}

tcp_listener::tcp_listener(std::string_view ip, std::uint16_t port, int backlog)
    : socket_(make_bound_socket(ip, port, SOCK_STREAM, "tcp_listener")) {
  const char* what = "tcp_listener";
  set_option(socket_, IPPROTO_TCP, TCP_NODELAY, 1, what);  // what it accepts inherits it
  // Of two that were bound to one port by SO_REUSEADDR, the second is refused here.
  if (::listen(socket_.get(), backlog) != 0) {
    fail_net(last_error(), std::string(what) + ' ' + local_address().to_string());
  }
}

tcp_stream tcp_listener::accept(wait_limit limit) {
  tcp_stream stream(accept_from(socket_, "tcp_listener::accept", limit));
  descriptor_use::note_kind(stream, descriptor_kind::tcp);
  return stream;
}

coro<tcp_stream> tcp_listener::async_accept(wait_limit limit) {
  tcp_stream stream(
      co_await async_accept_from(socket_, "tcp_listener::accept", std::move(limit)));
  descriptor_use::note_kind(stream, descriptor_kind::tcp);
  co_return stream;
}

socket_address tcp_listener::local_address() const {
  return address_of(socket_, &getsockname, "tcp_listener::local_address");
}

}  // namespace weft
