// The only one that writes to stdout and stderr while hosts run.
//
// Every host sends it blocks of whole lines. One writer for both streams keeps lines whole also
// where both lead to the same pipe; its channel is short, so a slow reader slows the hosts down
// instead of filling memory.
#pragma once

#include <string>
#include <weft/weft.hpp>

namespace ssh_runner {

enum class stream { out, err };

struct text_block {
  stream where = stream::out;
  std::string text;
};

class printer {
 public:
  printer();  // starts the writing goroutine

  weft::send_chan<text_block> input() const { return blocks_; }

  // Waits until all is written. Empty, or why some of it could not be written.
  std::string finish();

 private:
  weft::chan<text_block> blocks_{16};
  weft::join_handle<std::string> writer_;
};

}  // namespace ssh_runner
