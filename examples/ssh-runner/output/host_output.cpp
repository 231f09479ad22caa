#include "output/host_output.hpp"

#include <system_error>

namespace ssh_runner {

template <class F>
void host_output::with_line_sink(stream from, text_block& block, F f) {
  if (shown_) {
    block.where = shown_->shown_on(from);
    shown_->begin(from, std::chrono::system_clock::now());
  }
  try {
    f([&](std::string_view line) {
      if (shown_) shown_->line(line, block.text);
      for (const auto& r : kept_) r->line(from, line);
    });
    for (const auto& r : kept_) r->flush();
  } catch (const std::system_error& error) {
    problem_ = error.what();
    kept_.clear();
  }
}

void host_output::take(stream from, std::string_view bytes, text_block& block) {
  with_line_sink(from, block, [&](auto on_line) { splitter(from).feed(bytes, on_line); });
}

void host_output::finish(stream from, text_block& block) {
  with_line_sink(from, block, [&](auto on_line) { splitter(from).finish(on_line); });
}

void host_output::ended(const result& r, text_block& block) {
  if (shown_) {
    block.where = shown_->shown_on(stream::out);
    shown_->ended(r, block.text);
  }
  try {
    for (const auto& k : kept_) k->ended(r);
  } catch (const std::system_error& error) {
    problem_ = error.what();
  }
}

}  // namespace ssh_runner
