// Stream sockets named by paths.
//
// A listener remembers which file it has made, so that closing it removes no other one that has the
// name by then.
// Proved by: tests/conformance/net_unix_test.cpp.
#include "weft/net/unix.hpp"

#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "net/accept.hpp"
#include "net/fail.hpp"
#include "net/pause.hpp"
#include "net/socket.hpp"

namespace weft {

using namespace detail;

namespace {

sockaddr_un address_for(const std::filesystem::path& path, const std::string& what) {
  sockaddr_un a{};
  a.sun_family = AF_UNIX;
  const std::string& name = path.native();
  if (name.empty()) fail_net(EINVAL, what + ": the path is empty");
  if (name.find('\0') != std::string::npos) fail_net(EINVAL, what + ": a NUL character in the path");
  if (name.size() >= sizeof a.sun_path) {
    fail_net(ENAMETOOLONG, what + ": a socket's path has at most " +
                               std::to_string(sizeof a.sun_path - 1) + " bytes, this one " +
                               std::to_string(name.size()));
  }
  std::memcpy(a.sun_path, name.data(), name.size());
  return a;
}

struct connecting {
  explicit connecting(const std::filesystem::path& path)
      : what("unix_stream::connect " + path.string()),
        to(address_for(path, what)),
        stream(make_socket(AF_UNIX, SOCK_STREAM, what)) {
    descriptor_use::note_kind(stream, descriptor_kind::socket);
  }
  // False: the listener's queue is full.
  bool attempt() const {
    for (;;) {
      if (::connect(stream.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0) return true;
      const int error = last_error();
      if (error == EAGAIN) return false;
      if (error != EINTR) fail_net(error, what);
    }
  }
  std::string what;
  sockaddr_un to;
  unix_stream stream;
};

}  // namespace

unix_stream unix_stream::connect(const std::filesystem::path& path, wait_limit limit) {
  connecting c(path);
  for (growing_pause pause;;) {
    if (c.attempt()) return std::move(c.stream);
    if (const int error = pause.wait(limit); error != 0) fail_net(error, c.what);
  }
}

coro<unix_stream> unix_stream::async_connect(std::filesystem::path path, wait_limit limit) {
  connecting c(path);
  for (growing_pause pause;;) {
    if (c.attempt()) co_return std::move(c.stream);
    if (const int error = co_await pause.async_wait(limit); error != 0) fail_net(error, c.what);
  }
}

std::pair<unix_stream, unix_stream> unix_stream::pair() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
    fail_net(last_error(), "unix_stream::pair");
  }
  std::pair<unix_stream, unix_stream> made{unix_stream(ends[0]), unix_stream(ends[1])};
  descriptor_use::note_kind(made.first, descriptor_kind::socket);
  descriptor_use::note_kind(made.second, descriptor_kind::socket);
  return made;
}

void unix_stream::close_write() { close_write_end(*this, "unix_stream::close_write"); }

unix_listener::unix_listener(std::filesystem::path path, int backlog) {
  const std::string what = "unix_listener " + path.string();
  const sockaddr_un at = address_for(path, what);
  path_ = std::filesystem::absolute(path);  // the working directory may change
  socket_ = file_descriptor(make_socket(AF_UNIX, SOCK_STREAM, what));
  descriptor_use::note_kind(socket_, descriptor_kind::socket);
  if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) {
    const int error = last_error();
    if (error != EADDRINUSE) fail_net(error, what);
    struct stat s {};
    const bool other = ::lstat(path.c_str(), &s) == 0 && !S_ISSOCK(s.st_mode);
    fail_net(error, what + (other ? ": the path exists and is no socket"
                                  : ": the path exists; if it was left behind, by a server that has "
                                    "ended, remove it first"));
  }
  struct stat s {};
  if (::lstat(path_.c_str(), &s) == 0) {
    device_ = s.st_dev;
    inode_ = s.st_ino;
    owns_path_.store(true, std::memory_order_relaxed);
  }
  if (::listen(socket_.get(), backlog) != 0) {
    const int error = last_error();
    remove_path();
    fail_net(error, what);
  }
}

unix_listener::unix_listener(unix_listener&& other) noexcept
    : socket_(std::move(other.socket_)),
      path_(std::move(other.path_)),
      owns_path_(other.owns_path_.exchange(false, std::memory_order_relaxed)),
      device_(other.device_),
      inode_(other.inode_) {}

unix_listener& unix_listener::operator=(unix_listener&& other) noexcept {
  if (this == &other) return *this;
  close();
  socket_ = std::move(other.socket_);
  path_ = std::move(other.path_);
  device_ = other.device_;
  inode_ = other.inode_;
  owns_path_.store(other.owns_path_.exchange(false, std::memory_order_relaxed),
                   std::memory_order_relaxed);
  return *this;
}

unix_listener::~unix_listener() { close(); }

unix_stream unix_listener::accept(wait_limit limit) {
  unix_stream stream(accept_from(socket_, "unix_listener::accept", limit));
  descriptor_use::note_kind(stream, descriptor_kind::socket);
  return stream;
}

coro<unix_stream> unix_listener::async_accept(wait_limit limit) {
  unix_stream stream(
      co_await async_accept_from(socket_, "unix_listener::accept", std::move(limit)));
  descriptor_use::note_kind(stream, descriptor_kind::socket);
  co_return stream;
}

void unix_listener::close() {
  // First, so that who finds the path also finds somebody who listens.
  remove_path();
  socket_.close();
}

void unix_listener::remove_path() noexcept {
  if (!owns_path_.exchange(false, std::memory_order_acq_rel)) return;  // of several, one removes it
  struct stat s {};
  if (::lstat(path_.c_str(), &s) == 0 && s.st_dev == device_ && s.st_ino == inode_) {
    ::unlink(path_.c_str());
  }
}

}  // namespace weft
