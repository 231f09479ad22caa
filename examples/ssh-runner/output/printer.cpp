#include "output/printer.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <system_error>
#include <utility>

namespace ssh_runner {
namespace {

constexpr auto progress_interval = std::chrono::milliseconds(200);

class output {
 public:
  output(int fd, const char* name, weft::context until) : name_(name), until_(std::move(until)) {
    try {
      file_ = weft::file_descriptor::duplicate(fd);
    } catch (const std::system_error& error) {
      give_up(error);
    }
  }

  // After the first error the rest is dropped: the remote commands shall still run to their end.
  void write(const std::string& text) {
    if (!error_.empty()) return;
    try {
      file_.write(text, until_);
    } catch (const std::system_error& error) {
      give_up(error);
    }
  }

  const std::string& error() const { return error_; }

 private:
  void give_up(const std::system_error& error) {
    const bool ended = error.code() == std::errc::operation_canceled;
    error_ = std::string(name_) + ": " + (ended ? "nobody reads it" : error.code().message());
  }

  const char* name_;
  weft::context until_;
  weft::file_descriptor file_;
  std::string error_;
};

std::size_t terminal_width() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col - 1U : 79U;
}

class writer {
 public:
  writer(const board& hosts, bool progress, const weft::context& until)
      : hosts_(hosts),
        progress_(progress),
        out_(STDOUT_FILENO, "stdout", until),
        err_(STDERR_FILENO, "stderr", until) {}

  std::string run(const weft::recv_chan<text_block>& blocks, const weft::recv_chan<void>& status) {
    weft::ticker ticks(progress_interval);
    const weft::recv_chan<weft::clock::time_point> no_ticks;
    for (bool open = true; open;) {
      weft::select(weft::on_recv(blocks,
                                 [&](std::optional<text_block> block) {
                                   open = block.has_value();
                                   if (open) write(*block);
                                 }),
                   weft::on_recv(status,
                                 [&](bool) {
                                   write({stream::err, hosts_.full()});
                                 }),
                   weft::on_recv(progress_ ? ticks.channel() : no_ticks,
                                 [&](const auto&) { show(hosts_.line(terminal_width())); }));
    }
    show({});
    return out_.error().empty() ? err_.error() : out_.error();
  }

 private:
  // Lines go where the progress line is, which comes again with the next tick.
  void write(const text_block& block) {
    show({});
    (block.where == stream::out ? out_ : err_).write(block.text);
  }
  void show(std::string line) {
    if (line == shown_) return;
    err_.write("\r\033[K" + line);
    shown_ = std::move(line);
  }

  const board& hosts_;
  bool progress_;
  std::string shown_;
  output out_, err_;
};

}  // namespace

printer::printer(const board& hosts, bool progress, const weft::context& until)
    : writer_(weft::spawn([&hosts, progress, until, blocks = weft::recv_chan<text_block>(blocks_),
                           status = weft::recv_chan<void>(status_)] {
        return writer(hosts, progress, until).run(blocks, status);
      })) {}

printer::~printer() {
  if (finished_) return;
  const weft::exit_guard finish;
  blocks_.close();
  writer_.wait();
}

std::string printer::finish() {
  finished_ = true;
  blocks_.close();
  return writer_.get();
}

}  // namespace ssh_runner
