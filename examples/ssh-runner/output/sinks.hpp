// Where a host's lines go. Each host has its own; its goroutine alone uses them.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "output/text_block.hpp"
#include "plan/plan.hpp"
#include "report/result.hpp"
#include "settings/settings.hpp"

namespace ssh_runner {

using wall_time = std::chrono::system_clock::time_point;

// Lines as our own stdout or stderr is to show them. At most one of these; it never waits.
class renderer {
 public:
  virtual ~renderer() = default;
  // What the next lines have in common.
  virtual void begin(stream where, wall_time when) = 0;
  virtual void line(std::string_view text, std::string& to) = 0;
  virtual void ended(const result&, std::string& /*to*/) {}
  virtual stream shown_on(stream where) const { return where; }
};

// Lines to be kept elsewhere. May wait for a disk, not for a reader.
class recorder {
 public:
  virtual ~recorder() = default;
  virtual void line(stream where, std::string_view text) = 0;
  virtual void flush() {}  // after some lines
  virtual void ended(const result&) {}
};

// What is wrong with a format; empty: nothing.
std::string check_prefix(const std::string& format);
// "web1: " before each line, as the format says.
std::unique_ptr<renderer> make_prefix_renderer(const planned_host&, std::size_t index,
                                               const prefix_settings&);
// An object for each line, and one at the end.
std::unique_ptr<renderer> make_json_renderer(const planned_host&);
// What stands for a host in the names of its files: its label, in which '/', '%' and control
// characters are %2F and so on, and which ends in the host's index if it is too long. It names nothing
// outside of a directory, and no two hosts have the same.
std::string file_name(const std::string& label, std::size_t index);
// DIR/HOST.out and DIR/HOST.err. Throws std::system_error that names the file, here and later.
std::unique_ptr<recorder> make_file_recorder(const planned_host&, std::size_t index,
                                             const std::string& dir);

}  // namespace ssh_runner
