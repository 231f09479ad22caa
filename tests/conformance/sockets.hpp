// What the tests of sockets share.
#pragma once

#include "bytes.hpp"
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/closed_port.hpp"
#include "support/fd_count.hpp"
#include "support/scratch_directory.hpp"

#include <weft/weft.hpp>

#include <sys/resource.h>

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace weft_test {

// The error of f's std::system_error; none if it throws nothing.
template <class F>
std::error_code error_of(F f) {
  try {
    f();
  } catch (const std::system_error& e) {
    return e.code();
  }
  return {};
}

// And its message.
template <class F>
std::string message_of(F f) {
  try {
    f();
  } catch (const std::exception& e) {
    return e.what();
  }
  return "nothing was thrown";
}

// As many descriptors at the end as at the beginning. Begun on a plain thread, after the default
// runtime has what it keeps.
class descriptors_kept {
 public:
  descriptors_kept() {
    weft::spawn([] {}).wait();
    before_ = fd_count();
  }
  descriptors_kept(const descriptors_kept&) = delete;
  ~descriptors_kept() {
    // A thread that starts or a look at /proc has one for a moment.
    const auto until = weft::clock::now() + std::chrono::seconds(5);
    while (fd_count() != before_ && weft::clock::now() < until) std::this_thread::yield();
    CHECK(fd_count() == before_);
  }

 private:
  std::size_t before_;
};

// On a plain thread, and in a goroutine.
template <class F>
void everywhere(F check) {
  check();
  weft::run(check);
}

struct connection {
  weft::tcp_stream client;
  weft::tcp_stream server;
};
inline connection connect_to(weft::tcp_listener& listener) {
  weft::tcp_stream client = weft::tcp_stream::connect(listener.local_address());
  return {std::move(client), listener.accept()};
}
inline connection connected(std::string_view ip = "127.0.0.1") {
  weft::tcp_listener listener(ip, 0);
  return connect_to(listener);
}

// The loopback addresses of this machine.
inline std::vector<const char*> loopbacks() {
  std::vector<const char*> all{"127.0.0.1"};
  if (!error_of([] { weft::tcp_listener("::1", 0); })) all.push_back("::1");
  return all;
}

// Answers nobody: its queue is full. One attempt may just have been late.
struct black_hole {
  explicit black_hole(std::string_view ip = "127.0.0.1") : listener(ip, 0, 0) {
    for (int late = 0; late < 2;) {
      const auto error = error_of([&] {
        filling.push_back(weft::tcp_stream::connect(address(), std::chrono::milliseconds(20)));
      });
      late = error ? late + 1 : 0;
    }
  }
  weft::socket_address address() const { return listener.local_address(); }
  weft::tcp_listener listener;
  std::vector<weft::tcp_stream> filling;
};

// The process has no descriptor left while one lives, but those that spare() gives back.
class no_descriptors {
 public:
  no_descriptors() {
    getrlimit(RLIMIT_NOFILE, &before_);
    rlimit low = before_;
    low.rlim_cur = 200;
    setrlimit(RLIMIT_NOFILE, &low);
    for (int fd; (fd = ::dup(STDIN_FILENO)) >= 0;) taken_.emplace_back(fd);
  }
  no_descriptors(const no_descriptors&) = delete;
  ~no_descriptors() {
    taken_.clear();
    setrlimit(RLIMIT_NOFILE, &before_);
  }
  void spare() { taken_.pop_back(); }

 private:
  rlimit before_{};
  std::vector<weft::file_descriptor> taken_;
};

}  // namespace weft_test
