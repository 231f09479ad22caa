// The only one that writes to stdout and stderr while hosts run.
//
// Every host sends it blocks of whole lines. One writer for both streams keeps lines whole also
// where both lead to the same pipe; its channel is short, so a slow reader slows the hosts down
// instead of filling memory. Between blocks it keeps the progress line.
#pragma once

#include <string>
#include <weft/weft.hpp>

#include "output/board.hpp"
#include "output/text_block.hpp"

namespace ssh_runner {

class printer {
 public:
  // Starts the writing goroutine. `progress`: whether stderr gets a line that is kept up to date. Once `until`
  // is done nobody is waited for who does not read: the rest is dropped.
  printer(const board& hosts, bool progress, const weft::context& until);
  printer(const printer&) = delete;
  printer& operator=(const printer&) = delete;
  ~printer();

  weft::send_chan<text_block> input() const { return blocks_; }
  // Has the full status printed. Never waits; one that waits for its turn is enough.
  void show_status() const { status_.try_send(); }

  // Waits until all is written. Empty, or why some of it could not be written.
  std::string finish();

 private:
  weft::chan<text_block> blocks_{16};
  weft::chan<void> status_{1};
  weft::join_handle<std::string> writer_;
  bool finished_ = false;
};

}  // namespace ssh_runner
