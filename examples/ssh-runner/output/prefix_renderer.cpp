// "web1: " before each line.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <array>

#include "output/sinks.hpp"

namespace ssh_runner {
namespace {

constexpr std::array<const char*, 6> colours = {"\033[36m", "\033[33m", "\033[32m",
                                                "\033[35m", "\033[34m", "\033[96m"};
constexpr const char* red = "\033[1;31m";
constexpr const char* plain = "\033[0m";

class prefix_renderer : public renderer {
 public:
  prefix_renderer(const planned_host& host, std::size_t index, const prefix_settings& asked)
      : host_(host), index_(index), asked_(asked) {
    timed_ = asked_.format.find("{time") != std::string::npos;
    for (const stream s : {stream::out, stream::err}) prefix(s) = made(s, {});
  }

  void begin(stream where, wall_time when) override {
    if (timed_) prefix(where) = made(where, when);
    now_ = &prefix(where);
  }
  void line(std::string_view text, std::string& to) override {
    to.append(*now_).append(text) += '\n';
  }

 private:
  std::string& prefix(stream s) { return s == stream::out ? out_ : err_; }

  std::string made(stream s, wall_time when) const {
    if (asked_.format.empty()) return {};
    const bool coloured = s == stream::out ? asked_.colour_stdout : asked_.colour_stderr;
    const std::time_t seconds = std::chrono::system_clock::to_time_t(when);
    std::string text = fmt::format(
        fmt::runtime(asked_.format), fmt::arg("host", host_.to->name), fmt::arg("label", host_.label),
        fmt::arg("user", host_.to->user), fmt::arg("port", host_.to->port),
        fmt::arg("index", index_), fmt::arg("stream", s == stream::out ? "stdout" : "stderr"),
        fmt::arg("time", fmt::localtime(seconds)));
    if (!coloured) return text;
    return (s == stream::err ? red : colours[index_ % colours.size()]) + text + plain;
  }

  const planned_host& host_;
  std::size_t index_;
  prefix_settings asked_;
  bool timed_;
  std::string out_, err_;
  const std::string* now_ = &out_;
};

}  // namespace

std::unique_ptr<renderer> make_prefix_renderer(const planned_host& host, std::size_t index,
                                               const prefix_settings& asked) {
  return std::make_unique<prefix_renderer>(host, index, asked);
}

std::string check_prefix(const std::string& format) {
  const planned_host host{"", std::make_shared<const endpoint>(), ""};
  prefix_settings asked;
  asked.format = format;
  try {
    prefix_renderer(host, 0, asked);
    return {};
  } catch (const fmt::format_error& error) {
    return error.what();
  }
}

}  // namespace ssh_runner
