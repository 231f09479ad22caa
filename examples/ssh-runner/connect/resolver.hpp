// Host names to addresses, without blocking a worker.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <vector>
#include <weft/weft.hpp>

#include "connect/attempt.hpp"

namespace ssh_runner {

struct socket_address {
  sockaddr_storage storage{};
  socklen_t size = 0;

  const sockaddr* data() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

// getaddrinfo blocks its thread, so names go to a few plain threads, started with the first name
// that is no address. A plain thread uses weft's channels like any goroutine.
class resolver {
 public:
  resolver() = default;
  resolver(const resolver&) = delete;
  resolver& operator=(const resolver&) = delete;
  ~resolver();

  // Throws failure.
  std::vector<socket_address> look_up(const std::string& host, std::uint16_t port, attempt& a);

 private:
  struct answer {
    std::vector<socket_address> addresses;
    std::string error;
  };
  struct question {
    std::string host;
    std::string port;
    weft::chan<answer> reply;  // holds one: whoever asked may have gone
  };

  static answer ask(const std::string& host, const std::string& port, int flags);
  static void serve(const weft::recv_chan<question>& questions);

  void start_threads();

  weft::mutex starting_;
  bool started_ = false;
  weft::chan<question> questions_;
};

}  // namespace ssh_runner
