// What the C++ peers share: their arguments, and the line of JSON that each prints.
//
//   NAME-peer [VARIANT] WORKLOAD WORKERS OPS
//
// Exit status 3: no such workload here. `echo` prints its port and serves until it is killed.
#ifndef WEFT_BENCH_PEER_HPP
#define WEFT_BENCH_PEER_HPP

#include "../workloads/measure.hpp"

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace peer {

struct request {
  std::string_view variant;   // empty: the only one
  std::string_view workload;  // as the line calls it
  std::string_view base;      // without the number at its end
  std::int64_t n = 1;         // that number
  unsigned workers = 1;
  std::int64_t ops = 0;
};

struct no_such_workload {};

inline request parse(int argc, char** argv) {
  if (argc != 4 && argc != 5) {
    std::fprintf(stderr, "usage: %s [VARIANT] WORKLOAD WORKERS OPS\n", argv[0]);
    std::exit(2);
  }
  request r;
  if (argc == 5) {
    r.variant = argv[1];
  }
  r.workload = r.base = argv[argc - 3];
  r.workers = static_cast<unsigned>(std::atoi(argv[argc - 2]));
  r.ops = std::atoll(argv[argc - 1]);
  const auto digits = r.base.find_last_not_of("0123456789");
  if (digits != std::string_view::npos && digits + 1 < r.base.size()) {
    std::from_chars(r.base.data() + digits + 1, r.base.data() + r.base.size(), r.n);
    r.base = r.base.substr(0, digits);
  }
  if (r.workers < 1 || r.ops < 0 || r.ops % 2 != 0) {
    std::fprintf(stderr, "%s: WORKERS must be positive and OPS even\n", argv[0]);
    std::exit(2);
  }
  return r;
}

// What the process takes of the machine, in bytes: its pages and the tables that map them.
inline std::int64_t memory() {
  std::ifstream status("/proc/self/status");
  std::int64_t kib = 0;
  for (std::string word; status >> word;) {
    if (std::int64_t n = 0; (word == "VmRSS:" || word == "VmPTE:") && status >> n) {
      kib += n;
    }
  }
  return kib * 1024;
}

using figure = std::pair<const char*, double>;

inline void report(std::initializer_list<figure> figures) {
  const char* separator = "{";
  for (const auto& [name, value] : figures) {
    std::printf("%s\"%s\":%.6g", separator, name, value);
    separator = ",";
  }
  std::printf("}\n");
  std::fflush(stdout);
}

// run(ops) twice, the second time measured: a program that has been running for a while.
template <class Run>
void timed(std::int64_t ops, bool warm, Run run) {
  using workloads::watch;
  if (warm) {
    run(ops);
  }
  watch.start(ops);
  run(ops);
  watch.stop();
}

template <class Body>
int main(int argc, char** argv, Body body) {
  const request r = parse(argc, argv);
  try {
    body(r);
  } catch (const no_such_workload&) {
    return 3;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s: %s\n", argv[0], e.what());
    return 1;
  }
  return 0;
}

}  // namespace peer

#endif
