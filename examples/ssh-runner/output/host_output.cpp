#include "output/host_output.hpp"

#include <system_error>

namespace ssh_runner {

// f(recorder) for each; one that fails is left out from then on.
template <class F>
void host_output::keep(F f) {
  std::erase_if(kept_, [&](const std::unique_ptr<recorder>& r) {
    try {
      f(*r);
      return false;
    } catch (const std::system_error& error) {
      problem_ = error.what();
      return true;
    }
  });
}

template <class F>
void host_output::with_line_sink(stream from, text_block& block, F f) {
  if (shown_) {
    block.where = shown_->shown_on(from);
    shown_->begin(from, std::chrono::system_clock::now());
  }
  f([&](std::string_view line) {
    if (shown_) shown_->line(line, block.text);
    keep([&](recorder& r) { r.line(from, line); });
  });
  keep([](recorder& r) { r.flush(); });
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
  keep([&](recorder& k) { k.ended(r); });
}

}  // namespace ssh_runner
