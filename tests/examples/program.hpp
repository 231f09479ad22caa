// An example program that a test runs.
#pragma once

#include "support/catch.hpp"

#include <weft/weft.hpp>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace weft_test {

inline constexpr std::chrono::seconds patience{60};  // for what should take milliseconds

class program {
 public:
  program(const std::string& name, std::vector<std::string> args)
      : command_(WEFT_EXAMPLES + name, std::move(args)) {
    command_.stdin_from(weft::stdio::pipe).stdout_to(weft::stdio::pipe).stderr_to(weft::stdio::pipe);
    command_.start();
    out_ = std::make_unique<weft::line_reader>(command_.stdout_pipe());
    err_ = std::make_unique<weft::line_reader>(command_.stderr_pipe());
  }

  weft::file_descriptor& in() { return command_.stdin_pipe(); }
  // The next line that it prints; "" at its end.
  std::string line() { return out_->next(patience).value_or(""); }
  std::string error_line() { return err_->next(patience).value_or(""); }
  // Whatever follows.
  std::string rest() {
    std::string all;
    while (auto l = out_->next(patience)) all += *l + '\n';
    return all;
  }
  void interrupt() { command_.signal(SIGINT); }
  // Its exit code; -1 if a signal ended it.
  int wait() { return command_.wait(patience).code.value_or(-1); }

 private:
  weft::command command_;
  std::unique_ptr<weft::line_reader> out_;
  std::unique_ptr<weft::line_reader> err_;
};

// A server that has printed its port.
class server : public program {
 public:
  server(const std::string& name, std::vector<std::string> args) : program(name, std::move(args)) {
    const std::string said = line();
    const std::string before = "listening on port ";
    REQUIRE(said.rfind(before, 0) == 0);
    port_ = static_cast<std::uint16_t>(std::stoi(said.substr(before.size())));
  }
  std::uint16_t port() const { return port_; }
  std::string port_text() const { return std::to_string(port_); }
  weft::tcp_stream connect() { return weft::tcp_stream::connect("localhost", port_, patience); }
  // By SIGINT, as its page says.
  void stop() {
    interrupt();
    CHECK(line() == "interrupted");
    CHECK(wait() == 0);
  }

 private:
  std::uint16_t port_ = 0;
};

}  // namespace weft_test
