// What all sides of channels have counted.
#pragma once

#include <atomic>
#include <cstdint>

namespace weft_test {

struct ledger {
  std::atomic<std::uint64_t> sent = 0;
  std::atomic<std::uint64_t> sent_sum = 0;
  std::atomic<std::uint64_t> received = 0;
  std::atomic<std::uint64_t> received_sum = 0;

  void add_sent(std::uint64_t v) {
    ++sent;
    sent_sum += v;
  }
  void add_received(std::uint64_t v) {
    ++received;
    received_sum += v;
  }
  bool balanced() const { return sent == received && sent_sum == received_sum; }
};

}  // namespace weft_test
