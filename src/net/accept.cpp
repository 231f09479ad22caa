// Taking connections from a listener's queue.
//
// Out of descriptors or of memory the connection stays where it is, in the queue, and the call tries
// again after a pause: the system tells nobody when a descriptor is free, and to take connections with
// a spare one and close them would throw away clients that could be served a moment later.
// Proved by: tests/conformance/net_accept_test.cpp.
#include "net/accept.hpp"

#include <sys/socket.h>

#include <cerrno>

#include "net/pause.hpp"

namespace weft::detail {

namespace {

// Of one connection, which is gone with it: accept(2) hands on what the network says.
bool is_of_that_connection(ssize_t n) noexcept {
  switch (-n) {
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH: return true;
    default: return false;
  }
}

bool is_shortage(ssize_t n) noexcept {
  return n == -EMFILE || n == -ENFILE || n == -ENOBUFS || n == -ENOMEM;
}

// One call: -EAGAIN: the queue is empty; -EINTR: at once again.
ssize_t try_accept(int fd) noexcept {
  const ssize_t n = result_of(::accept4(fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  return is_of_that_connection(n) ? -EINTR : n;
}

class accept_operation : public async_operation {
 public:
  accept_operation(file_descriptor& of, const char* what, const wait_limit& limit) noexcept
      : async_operation(of, what, false, limit, &attempt) {}
  using async_operation::leave;
  // The new connection's number, or -1 in a shortage.
  int await_resume() {
    const std::size_t n = take_result();
    return shortage_ ? -1 : static_cast<int>(n);
  }

 private:
  static ssize_t attempt(async_operation& op, descriptor_use& use) {
    const ssize_t n = try_accept(use.fd);
    if (!is_shortage(n)) return n;
    static_cast<accept_operation&>(op).shortage_ = true;
    return 0;
  }
  bool shortage_ = false;
};

}  // namespace

int accept_from(file_descriptor& listener, const char* what, const wait_limit& limit) {
  descriptor_use use(listener, what);
  growing_pause pause;
  return static_cast<int>(use.until_done(false, limit, [&]() -> ssize_t {
    const ssize_t n = try_accept(use.fd);
    if (!is_shortage(n)) return n;
    if (const int error = pause.wait(limit); error != 0) return -error;
    return listener.get() < 0 ? -EBADF : -EINTR;
  }));
}

coro<int> async_accept_from(file_descriptor& listener, const char* what, wait_limit limit) {
  for (growing_pause pause;;) {
    accept_operation next(listener, what, limit);
    if (const int fd = co_await next; fd >= 0) co_return fd;
    next.leave();
    if (const int error = co_await pause.async_wait(limit); error != 0) {
      fail_descriptor(error, what, listener.get());
    }
  }
}

}  // namespace weft::detail
