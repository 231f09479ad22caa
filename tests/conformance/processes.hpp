// What the tests of processes share.
#pragma once

#include "support/catch.hpp"
#include "support/child_count.hpp"
#include "support/fd_count.hpp"
#include "support/scratch_directory.hpp"

#include <weft/weft.hpp>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>
#include <utility>


namespace weft_test {

// What is printed by a shell that runs the script.
inline weft::command shell(std::string script) {
  return weft::command("sh", {"-c", std::move(script)});
}

struct finished {
  weft::exit_status status;
  std::string out;
};

// Starts it, reads all of its output and waits.
inline finished output_of(weft::command& c) {
  c.stdout_to(weft::stdio::pipe).start();
  finished f;
  f.out = c.stdout_pipe().read_all();
  f.status = c.wait();
  return f;
}
inline finished output_of(weft::command&& c) { return output_of(c); }

// What f's std::system_error says.
template <class F>
std::pair<std::errc, std::string> error_of(F f) {
  try {
    f();
  } catch (const std::system_error& e) {
    return {static_cast<std::errc>(e.code().value()), e.what()};
  }
  return {};
}

// On a plain thread and in a goroutine; no child and no descriptor is left.
template <class F>
void in_both(F f) {
  static_cast<void>(weft::stats());  // starts the default runtime, which has descriptors of its own
  const auto descriptors = fd_count();
  f();
  CHECK_FALSE(has_children());
  CHECK(fd_count() == descriptors);
  weft::run([&] {
    f();
    CHECK_FALSE(has_children());
  });
  CHECK(fd_count() == descriptors);
}

inline void write_file(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path) << text;
}
inline std::string text_of_file(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

}  // namespace weft_test
