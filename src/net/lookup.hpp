// A look-up under way: what resolve() and connecting by name are made of.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "blocking/blocking_pool.hpp"
#include "weft/chan.hpp"
#include "weft/coro.hpp"
#include "weft/io.hpp"
#include "weft/net/address.hpp"

namespace weft::detail {

// What getaddrinfo gave.
struct lookup_result {
  std::vector<socket_address> addresses;
  int error = 0;         // EAI_...; 0: none
  int system_error = 0;  // of EAI_SYSTEM
};

class lookup {
 public:
  // Starts it unless the names are numbers. Throws invalid_argument for names that hold a NUL.
  lookup(std::string host, std::string service, const wait_limit& limit);

  // Gives the result, once.
  const recv_chan<lookup_result> answer() const { return answer_; }
  // Until then; the clock's end if there is no deadline beside the context's.
  clock::time_point at_the_latest() const;
  // The addresses, or throws for the result; no result: for the limit.
  std::vector<socket_address> finish(std::optional<lookup_result>) const;

 private:
  std::string name_;  // for messages
  wait_limit limit_;
  chan<lookup_result> answer_{1};
  outside_activity activity_;
};

// resolve() in a coroutine.
coro<std::vector<socket_address>> async_resolve(std::string host, std::string service,
                                                wait_limit limit);

}  // namespace weft::detail
