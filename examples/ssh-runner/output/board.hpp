// Where each host stands, for whoever wants to see it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>
#include <weft/weft.hpp>

#include "plan/plan.hpp"
#include "report/result.hpp"

namespace ssh_runner {

// Written by the host's goroutine, read by the printer's; for display only, so in no order.
class host_status {
 public:
  std::atomic<phase>& at() { return at_; }
  void begin() { begun_.store(now(), std::memory_order_relaxed); }
  void end(bool failed) {
    failed_.store(failed, std::memory_order_relaxed);
    at_.store(phase::done, std::memory_order_relaxed);
  }

 private:
  friend class board;
  static std::int64_t now() { return weft::clock::now().time_since_epoch().count(); }
  std::atomic<phase> at_{phase::waiting};
  std::atomic<std::int64_t> begun_{0};
  std::atomic<bool> failed_{false};
};

class board {
 public:
  explicit board(const plan& planned) : plan_(planned), hosts_(planned.hosts.size()) {}

  host_status& host(std::size_t index) { return hosts_[index]; }

  // "12 of 200 done, 1 failed, 3 running: web[1,7], db2", no longer than that.
  std::string line(std::size_t width) const;
  // Some lines: who is where, and for how long.
  std::string full() const;

 private:
  struct counts {
    std::size_t done = 0, failed = 0, running = 0;
  };
  counts count() const;

  const plan& plan_;
  std::vector<host_status> hosts_;
};

}  // namespace ssh_runner
