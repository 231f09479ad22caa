// ssh-runner: runs a script on many hosts at once. See README.md.
#include <sys/resource.h>

#include <csignal>
#include <iostream>
#include <weft/weft.hpp>

#include "output/printer.hpp"
#include "plan/plan.hpp"
#include "run/host_run.hpp"
#include "report/exit_status.hpp"
#include "report/summary.hpp"
#include "settings/command_line.hpp"
#include "settings/environment.hpp"

namespace {

using namespace ssh_runner;

constexpr unsigned handshakes_per_worker = 16;

struct report {
  std::vector<result> results;
  std::string output_error;
};

report run_all(const settings& asked, const plan& planned) {
  const auto shared =
      std::make_shared<shared_state>(asked, environment("SSH_AUTH_SOCK").value_or(""),
                                     handshakes_per_worker * weft::workers());
  printer printing;
  const weft::chan<void> fanout(asked.run.fanout);
  std::vector<weft::join_handle<result>> hosts;
  for (const planned_host& host : planned.hosts) {
    fanout.send();  // takes a place; waits while all are taken
    hosts.push_back(weft::spawn([shared, fanout, &host, output = printing.input()] {
      result r = run_on(host, *shared, output);
      fanout.recv();
      return r;
    }));
  }
  report all;
  for (auto& host : hosts) all.results.push_back(host.get());
  all.output_error = printing.finish();
  return all;
}

// Every host takes a descriptor, and the usual limit of 1,024 is only a default.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int checked_main(int argc, char** argv) {
  const std::optional<settings> asked = read_command_line(argc, argv);
  if (!asked) return 0;
  const plan planned = make_plan(*asked);
  for (const std::string& warning : planned.warnings) std::cerr << "ssh-runner: " << warning << '\n';
  std::signal(SIGPIPE, SIG_IGN);  // libssh writes to its sockets without MSG_NOSIGNAL
  raise_descriptor_limit();

  const auto begin = weft::clock::now();
  // libssh's deepest call takes 22 KiB of stack here; there is room for other builds of it.
  const report all =
      weft::run({.stack_size = 256 << 10}, [&] { return run_all(*asked, planned); });
  print_summary(std::cerr, all.results, weft::clock::now() - begin, {});
  if (all.output_error.empty()) return exit_status(all.results);
  std::cerr << "ssh-runner: some output is lost: " << all.output_error << '\n';
  return 6;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return checked_main(argc, argv);
  } catch (const usage_error& error) {
    std::cerr << "ssh-runner: " << error.what() << "\nTry ssh-runner --help\n";
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "ssh-runner: internal error: " << error.what() << '\n';
    return 70;
  }
}
