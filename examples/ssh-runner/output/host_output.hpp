// All that a host writes, on its way from bytes to lines to whoever wants them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "output/line_splitter.hpp"
#include "output/sinks.hpp"

namespace ssh_runner {

class host_output {
 public:
  // `problem`: what could not be kept from the beginning.
  host_output(std::unique_ptr<renderer> shown, std::vector<std::unique_ptr<recorder>> kept,
              std::string problem = {})
      : shown_(std::move(shown)), kept_(std::move(kept)), problem_(std::move(problem)) {}

  // Appends what is to be shown of it to `block`, which gets its stream.
  void take(stream from, std::string_view bytes, text_block& block);
  // At the end of a stream.
  void finish(stream from, text_block& block);
  void ended(const result&, text_block& block);

  // Why something could not be kept; the rest goes on.
  const std::string& problem() const { return problem_; }

 private:
  template <class F>
  void with_line_sink(stream from, text_block& block, F f);
  template <class F>
  void keep(F f);
  line_splitter& splitter(stream from) { return from == stream::out ? out_ : err_; }

  std::unique_ptr<renderer> shown_;  // may be null
  std::vector<std::unique_ptr<recorder>> kept_;
  line_splitter out_, err_;
  std::string problem_;
};

}  // namespace ssh_runner
