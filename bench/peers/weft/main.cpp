// weft's own entry among the peers: one workload, timed, as one line of JSON.
//
//   weft-peer WORKLOAD WORKERS OPS
//
// Exit status 3: no such workload here.
#include "../../workloads.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <string>
#include <string_view>

namespace {

double ns_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
}

// What the process takes of the machine, in bytes: its pages and the tables that map them.
std::int64_t memory() {
  std::ifstream status("/proc/self/status");
  std::int64_t kib = 0;
  for (std::string word; status >> word;) {
    if (std::int64_t n = 0; (word == "VmRSS:" || word == "VmPTE:") && status >> n) {
      kib += n;
    }
  }
  return kib * 1024;
}

void report(std::string_view workload, unsigned workers, double ns_per_op) {
  std::printf("{\"peer\":\"weft\",\"workload\":\"%.*s\",\"workers\":%u,\"ns_per_op\":%.2f",
              static_cast<int>(workload.size()), workload.data(), workers, ns_per_op);
}

void parked(unsigned workers, std::int64_t ops) {
  const std::int64_t before = memory();
  const auto start = std::chrono::steady_clock::now();
  workloads::parked_crowd crowd(ops);
  const double ns = ns_since(start);
  const std::int64_t bytes = memory() - before;
  const auto stats = weft::stats();
  crowd.release();
  report("parked", workers, ns / static_cast<double>(ops));
  std::printf(",\"bytes_per_op\":%lld,\"stacks\":%zu,\"unguarded_stacks\":%zu}\n",
              static_cast<long long>(bytes / ops), stats.stacks, stats.unguarded_stacks);
}

void timed(const workloads::workload& w, unsigned workers, std::int64_t ops) {
  w.run(ops);  // a warm-up: pools filled, pages touched
  const auto start = std::chrono::steady_clock::now();
  w.run(ops);
  report(w.name, workers, ns_since(start) / static_cast<double>(ops));
  std::printf("}\n");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: weft-peer WORKLOAD WORKERS OPS\n");
    return 2;
  }
  const std::string_view name = argv[1];
  const int workers = std::atoi(argv[2]);
  const std::int64_t ops = std::atoll(argv[3]);
  if (workers < 1 || ops < 2 || ops % 2 != 0) {
    std::fprintf(stderr, "weft-peer: WORKERS must be positive and OPS even\n");
    return 2;
  }
  const auto found = std::ranges::find(workloads::all, name, &workloads::workload::name);
  if (found == workloads::all.end() && name != "parked") {
    return 3;
  }

  weft::options options;
  options.workers = static_cast<unsigned>(workers);
  try {
    weft::run(options, [&] {
      if (name == "parked") {
        parked(options.workers, ops);
      } else {
        timed(*found, options.workers, ops);
      }
    });
  } catch (const std::exception& e) {
    std::fprintf(stderr, "weft-peer: %s\n", e.what());
    return 1;
  }
}
