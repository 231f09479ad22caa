// A file for each host and stream, made when its first line comes.
#include <fcntl.h>

#include <weft/weft.hpp>

#include "output/sinks.hpp"

namespace ssh_runner {
namespace {

class file_recorder : public recorder {
 public:
  file_recorder(std::string name) : out_{name + ".out", {}, {}}, err_{name + ".err", {}, {}} {
    // What an earlier run has left would pass for this one's.
    for (const part* p : {&out_, &err_}) std::filesystem::remove(p->name);
  }

  void line(stream where, std::string_view text) override {
    part& p = where == stream::out ? out_ : err_;
    p.lines.append(text) += '\n';
  }
  void flush() override {  // what has come at once; `tail -f` sees it
    write(out_);
    write(err_);
  }

 private:
  struct part {
    std::filesystem::path name;
    weft::file_descriptor file;
    std::string lines;
  };

  static void write(part& p) {
    if (p.lines.empty()) return;
    if (!p.file)
      p.file = weft::file_descriptor::open(p.name, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    p.file.write(p.lines);
    p.lines.clear();
  }

  part out_, err_;
};

}  // namespace

std::unique_ptr<recorder> make_file_recorder(const planned_host& host, const std::string& dir) {
  return std::make_unique<file_recorder>(dir + '/' + host.label);
}

}  // namespace ssh_runner
