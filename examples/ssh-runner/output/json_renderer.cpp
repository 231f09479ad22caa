// One JSON object for each line that comes, and one for each host that ends.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "output/sinks.hpp"
#include "text/base64.hpp"

namespace ssh_runner {
namespace {

using json = nlohmann::ordered_json;

std::string utc(wall_time when) {
  const auto ms = std::chrono::floor<std::chrono::milliseconds>(when);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(when)),
                     ms.time_since_epoch().count() % 1000);
}

std::string_view outcome_word(verdict v) {
  switch (v) {
    case verdict::ok: return "ok";
    case verdict::not_run: return "not_run";
    case verdict::stopped: return "stopped";
    case verdict::command_failed: return "failed";
    case verdict::not_connected: return "not_connected";
    case verdict::timed_out: return "timed_out";
    case verdict::host_key_refused: return "host_key_refused";
  }
  return "";
}

double seconds(duration d) { return std::chrono::duration<double>(d).count(); }

class json_renderer : public renderer {
 public:
  explicit json_renderer(const planned_host& host) : host_(host) {}

  void begin(stream where, wall_time when) override {
    stream_ = where == stream::out ? "stdout" : "stderr";
    time_ = utc(when);
  }

  void line(std::string_view text, std::string& to) override {
    json object = {{"host", host_.label}, {"stream", stream_}, {"time", time_}, {"line", text}};
    try {
      to += object.dump();
    } catch (const json::type_error&) {  // no UTF-8: legible, and as it was
      object["base64"] = base64(text);
      to += object.dump(-1, ' ', false, json::error_handler_t::replace);
    }
    to += '\n';
  }

  void ended(const result& r, std::string& to) override {
    json object = {{"host", host_.label},
                   {"user", host_.to->user},
                   {"address", host_.to->address},
                   {"port", host_.to->port},
                   {"outcome", outcome_word(r.outcome)},
                   {"phase", to_string(r.where)},
                   {"exit_status", r.exit_code ? json(*r.exit_code) : json()}};
    if (!r.signal.empty()) object["signal"] = r.signal;
    if (!r.cause.empty()) object["cause"] = r.cause;
    if (!r.note.empty()) object["note"] = r.note;
    object["attempts"] = r.attempts;
    object["connect_seconds"] = seconds(r.connecting);
    object["run_seconds"] = seconds(r.running);
    to += object.dump(-1, ' ', false, json::error_handler_t::replace) + '\n';
  }

  stream shown_on(stream) const override { return stream::out; }

 private:
  const planned_host& host_;
  const char* stream_ = "";
  std::string time_;
};

}  // namespace

std::unique_ptr<renderer> make_json_renderer(const planned_host& host) {
  return std::make_unique<json_renderer>(host);
}

}  // namespace ssh_runner
