// Reading line by line.
//
// nobody_receives: the goroutine of lines() has one handle of its channel. When that is the only one
//   left, its context is cancelled, whatever it waits for.
// Proved by: tests/conformance/lines_test.cpp.
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <exception>
#include <string>
#include <system_error>
#include <utility>

#include "chan/channel.hpp"
#include "weft/chan.hpp"
#include "weft/context.hpp"
#include "weft/go.hpp"
#include "weft/io.hpp"
#include "weft/select.hpp"

namespace weft {

namespace {

// So many lines may be read ahead of who receives them.
constexpr std::size_t lines_ahead = 32;

// See nobody_receives.
struct receivers_gone final : detail::handle_watcher {
  explicit receivers_gone(cancel_function f) noexcept : cancel(std::move(f)) {}
  void one_is_left() noexcept override {
    if (!told.exchange(true, std::memory_order_acq_rel)) cancel();
  }
  cancel_function cancel;
  std::atomic<bool> told{false};
};

// The goroutine of lines().
struct line_pump {
  file_descriptor from;
  context ctx;
  std::size_t max_line;
  chan<std::string> to;
  detail::line_buffer buffer{};

  void operator()() {
    struct close_at_end {
      const chan<std::string>& c;
      ~close_at_end() { c.close(); }
    } closing{to};
    try {
      while (pass_on() && ctx.err() == context_error::none) {
        const std::size_t n = from.read(buffer.room(), ctx);
        if (n == 0) {
          if (buffer.size() != 0) send(buffer.take(buffer.size()));
          break;
        }
        buffer.add(n);
      }
    } catch (const std::exception&) {  // the channel's end says so
    }
  }

  // All lines that are there, and pieces of longer ones. False: ctx is done.
  bool pass_on() {
    for (;;) {
      const std::optional<std::size_t> line = buffer.find_line();
      const std::size_t n = line.value_or(buffer.size());
      if (n <= max_line && !line) return true;
      // Of a longer one something is left: its end, too, is a piece with bytes in it.
      std::string text = n > max_line ? buffer.take(max_line) : buffer.take(n, 1);
      if (!send(std::move(text))) return false;
    }
  }

  bool send(std::string text) {
    if (to.try_send(std::move(text)) == chan_status::ok) return true;
    return select(on_send(to, std::move(text)), on_done(ctx)) == 0;
  }
};

}  // namespace

std::optional<std::string> line_reader::next(wait_limit limit) {
  for (;;) {
    const std::optional<std::size_t> line = buffer_.find_line();
    if (line.value_or(buffer_.size()) > max_line_) {
      throw std::system_error(EMSGSIZE, std::generic_category(),
                              "weft::line_reader::next: more than " + std::to_string(max_line_) +
                                  " bytes (descriptor " + std::to_string(source_->get()) + ")");
    }
    if (line) return buffer_.take(*line, 1);
    const std::size_t n = source_->read(buffer_.room(), limit);
    if (n == 0) {
      if (buffer_.size() == 0) return {};
      return buffer_.take(buffer_.size());
    }
    buffer_.add(n);
  }
}

std::string line_reader::rest() { return buffer_.take(buffer_.size()); }

recv_chan<std::string> lines(file_descriptor from, context ctx, std::size_t max_line) {
  chan<std::string> c(lines_ahead);
  auto [until, cancel] = with_cancel(std::move(ctx));
  detail::channel_access::core(c)->watch_handles(new receivers_gone(std::move(cancel)));
  recv_chan<std::string> received = c;
  go(line_pump{std::move(from), std::move(until), std::max(max_line, std::size_t{1}), std::move(c)});
  return received;
}

}  // namespace weft
