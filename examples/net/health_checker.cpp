// Asks many addresses at once whether somebody listens there.
//
//   health_checker AT_ONCE SECONDS HOST:PORT...     [::1]:80 for an IPv6 address
//
//   $ health_checker 32 5 example.org:443 localhost:22 [::1]:9
//   asking 3 addresses, 32 at a time
//   up    example.org:443  12 ms
//   up    localhost:22  0 ms
//   down  [::1]:9  Connection refused
//   2 of 3 are up
//
// Shows a task_group with a limit (AT_ONCE checks at a time, however many there are to do) under a
// context with a deadline (SECONDS for all of them together; what is not done by then is down: «no
// answer in time»). A check that fails is a result, no exception. SIGINT ends it likewise.
// Exit status: 0 if all are up, 1 if not, 2 for wrong usage, 130 when interrupted.
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include <weft/weft.hpp>

#include "interrupt.hpp"

namespace {

struct target {
  std::string name;  // as it was given
  std::string host;
  std::uint16_t port = 0;
};

struct result {
  bool up = false;
  std::string text;
};

target parse(const std::string& name) {
  const std::size_t colon = name.rfind(':');
  if (colon == std::string::npos || colon == 0) throw std::invalid_argument(name + ": no HOST:PORT");
  const int port = std::atoi(name.c_str() + colon + 1);
  if (port < 1 || port > 65535) throw std::invalid_argument(name + ": no such port");
  std::string host = name.substr(0, colon);
  if (host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  return {name, host, static_cast<std::uint16_t>(port)};
}

result check(const target& t, const weft::context& ctx) {
  const auto start = weft::clock::now();
  try {
    weft::tcp_stream::connect(t.host, t.port, ctx);
  } catch (const std::system_error& e) {
    if (e.code() == std::errc::timed_out) return {false, "no answer in time"};
    return {false, e.code().message()};
  }
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(weft::clock::now() - start);
  return {true, std::to_string(took.count()) + " ms"};
}

// In the order of the targets.
std::vector<result> check_all(const std::vector<target>& targets, std::size_t at_once,
                              const weft::context& ctx) {
  std::vector<result> results(targets.size());
  weft::task_group checks(ctx);
  checks.set_limit(at_once);
  for (std::size_t i = 0; i < targets.size(); ++i) {
    checks.go([&, i] { results[i] = check(targets[i], ctx); });
  }
  checks.wait();
  return results;
}

}  // namespace

int main(int argc, char** argv) try {
  const int at_once = argc > 3 ? std::atoi(argv[1]) : 0;
  const double seconds = argc > 3 ? std::atof(argv[2]) : 0;
  if (at_once < 1 || seconds <= 0) {
    std::cerr << "usage: health_checker AT_ONCE SECONDS HOST:PORT...\n";
    return 2;
  }
  std::vector<target> targets;
  for (int i = 3; i < argc; ++i) targets.push_back(parse(argv[i]));

  return weft::run([&] {
    const weft::context interrupted = until_interrupted();
    std::cout << "asking " << targets.size() << " addresses, " << at_once << " at a time" << std::endl;
    auto [ctx, cancel] = weft::with_timeout(interrupted, std::chrono::duration<double>(seconds));
    const auto results = check_all(targets, static_cast<std::size_t>(at_once), ctx);
    std::size_t up = 0;
    for (std::size_t i = 0; i < results.size(); ++i) {
      std::cout << (results[i].up ? "up    " : "down  ") << targets[i].name << "  " << results[i].text
                << '\n';
      up += results[i].up ? 1 : 0;
    }
    std::cout << up << " of " << results.size() << " are up\n";
    if (interrupted.err() != weft::context_error::none) return 130;
    return up == results.size() ? 0 : 1;
  });
} catch (const std::invalid_argument& e) {
  std::cerr << "health_checker: " << e.what() << '\n';
  return 2;
} catch (const std::exception& e) {
  std::cerr << "health_checker: " << e.what() << '\n';
  return 1;
}
