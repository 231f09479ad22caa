// A file for each host and stream, made when its first line comes.
#include <fcntl.h>
#include <fmt/format.h>

#include <filesystem>
#include <system_error>
#include <weft/weft.hpp>

#include "output/sinks.hpp"

namespace ssh_runner {
namespace {

class file_recorder : public recorder {
 public:
  explicit file_recorder(const std::string& name)
      : out_{name + ".out", {}, {}}, err_{name + ".err", {}, {}} {
    // What an earlier run has left would pass for this one's.
    for (const part* p : {&out_, &err_})
      if (std::error_code error; !std::filesystem::remove(p->name, error) && error)
        throw std::system_error(error, p->name);
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
    std::string name;
    weft::file_descriptor file;
    std::string lines;
  };

  static void write(part& p) {
    if (p.lines.empty()) return;
    try {
      if (!p.file)
        p.file = weft::file_descriptor::open(p.name, O_WRONLY | O_CREAT | O_TRUNC, 0666);
      p.file.write(p.lines);
    } catch (const std::system_error& error) {
      throw std::system_error(error.code(), p.name);
    }
    p.lines.clear();
  }

  part out_, err_;
};

}  // namespace

std::string file_name(const std::string& label, std::size_t index) {
  constexpr std::size_t longest = 240;  // a file system takes 255 bytes, with ".out"
  std::string name;
  for (const char c : label) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '/' || c == '%' || byte < 0x20 || byte == 0x7f)
      name += fmt::format("%{:02X}", byte);
    else
      name += c;
  }
  if (name.size() <= longest) return name;
  // No label gives a "%~", and each index is one host's.
  const std::string end = fmt::format("%~{}", index);
  return name.substr(0, longest - end.size()) + end;
}

std::unique_ptr<recorder> make_file_recorder(const planned_host& host, std::size_t index,
                                             const std::string& dir) {
  return std::make_unique<file_recorder>(dir + '/' + file_name(host.label, index));
}

}  // namespace ssh_runner
