// usage: fuzz [--seconds N | --programs N] [--seed S] [--workers N,...] [--shrink yes|no]
// Makes random programs, runs each on weft and asks the reference whether what came of them can be.
// A failure prints the program's seed, then the smallest program that still fails, with what was
// seen, and ends with 1. `--seed S --programs 1` makes the same program again.
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <random>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>

#include "fuzz/execute.hpp"
#include "fuzz/judge.hpp"
#include "fuzz/shrink.hpp"
#include "support/watchdog.hpp"

namespace {

using namespace weft_fuzz;
using steady = std::chrono::steady_clock;

constexpr std::size_t together = 8;  // programs in one run

struct settings {
  double seconds = 0;
  std::uint64_t programs = 0;
  std::uint64_t seed = std::random_device{}();
  std::vector<unsigned> workers{};
  bool shrinks = true;
};

[[noreturn]] void usage() {
  std::cerr << "usage: fuzz [--seconds N | --programs N] [--seed S] [--workers N,...] "
               "[--shrink yes|no]\n";
  std::exit(2);
}

settings read(int argc, char** argv) {
  settings s;
  if (const char* seed = std::getenv("WEFT_STRESS_SEED"); seed != nullptr && *seed != '\0') {
    s.seed = std::strtoull(seed, nullptr, 10);
  }
  std::string workers = "1,2,8";
  if (const char* text = std::getenv("WEFT_WORKERS")) workers = text;
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 == argc) usage();
    const std::string_view name = argv[i];
    const char* value = argv[i + 1];
    if (name == "--seconds") {
      s.seconds = std::strtod(value, nullptr);
    } else if (name == "--programs") {
      s.programs = std::strtoull(value, nullptr, 10);
    } else if (name == "--seed") {
      s.seed = std::strtoull(value, nullptr, 10);
    } else if (name == "--workers") {
      workers = value;
    } else if (name == "--shrink") {
      s.shrinks = std::string_view(value) != "no";
    } else {
      usage();
    }
  }
  if (s.seconds == 0 && s.programs == 0) s.seconds = 10;
  std::istringstream list(workers);
  for (std::string one; std::getline(list, one, ',');) {
    s.workers.push_back(static_cast<unsigned>(std::strtoul(one.c_str(), nullptr, 10)));
  }
  return s;
}

int report(const program& p, std::uint64_t seed, unsigned workers, const verdict_of_run& r,
           bool shrinks) {
  std::cout << "FAILED: " << r.why << "\nseed " << seed << ", " << workers << " workers\n";
  print(std::cout, p, &r.seen);
  if (!shrinks) return 1;
  std::cout << "\nlooking for a smaller one ...\n" << std::flush;
  alarm(0);
  const smaller s = shrink(p, r, workers, seed);
  std::cout << "the smallest that failed (" << s.attempts << " attempts):\n";
  print(std::cout, s.what, &s.result.seen);
  std::cout << std::flush;
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  const settings s = read(argc, argv);
  std::cout << "seed " << s.seed << std::endl;
  const auto end = steady::now() + std::chrono::duration<double>(s.seconds);
  std::uint64_t seed = s.seed;
  std::uint64_t done = 0;
  std::uint64_t operations = 0;
  std::uint64_t undecided = 0;
  while (s.programs != 0 ? done < s.programs : steady::now() < end) {
    const unsigned workers = s.workers[(seed - s.seed) / together % s.workers.size()];
    const std::uint64_t first = seed;
    std::vector<program> programs;
    for (std::size_t i = 0; i < together && (s.programs == 0 || done + i < s.programs); ++i) {
      programs.push_back(generate(seed++));
      for (const actor& a : programs.back().actors) operations += a.operations.size();
    }
    weft_test::start_watchdog();  // again for each
    const auto results = run_together(programs, workers, first);
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (results[i].failed) return report(programs[i], first + i, workers, results[i], s.shrinks);
      undecided += results[i].undecided ? 1 : 0;
    }
    done += programs.size();
  }
  std::cout << done << " programs, " << operations << " operations, " << undecided
            << " undecided, none failed\n";
  return 0;
}
