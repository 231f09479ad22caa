#include "output/printer.hpp"

#include <unistd.h>

#include <system_error>

namespace ssh_runner {
namespace {

class output {
 public:
  output(int fd, const char* name) : name_(name) {
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
      file_.write(text);
    } catch (const std::system_error& error) {
      give_up(error);
    }
  }

  const std::string& error() const { return error_; }

 private:
  void give_up(const std::system_error& error) {
    error_ = std::string(name_) + ": " + error.code().message();
  }

  const char* name_;
  weft::file_descriptor file_;
  std::string error_;
};

std::string write_all(weft::recv_chan<text_block> blocks) {
  output out(STDOUT_FILENO, "stdout");
  output err(STDERR_FILENO, "stderr");
  for (text_block& block : blocks) (block.where == stream::out ? out : err).write(block.text);
  return out.error().empty() ? err.error() : out.error();
}

}  // namespace

printer::printer() : writer_(weft::spawn(write_all, weft::recv_chan<text_block>(blocks_))) {}

std::string printer::finish() {
  blocks_.close();
  return writer_.get();
}

}  // namespace ssh_runner
