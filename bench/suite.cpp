// The workloads under Google Benchmark, each with one worker and with two.
//
// The loop runs on a goroutine inside one `run`, in batches so that the goroutines and channels
// that a workload sets up do not count. Wall time is what is compared: with two workers the CPU
// time, which is the process's, says what the speed costs.
#include "workloads.hpp"

#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>

namespace {

constexpr std::int64_t batch = 10'000;

weft::options with_workers(std::int64_t n) {
  weft::options o;
  o.workers = static_cast<unsigned>(n);
  return o;
}

void run_workload(benchmark::State& state, void (*workload)(std::int64_t)) {
  weft::run(with_workers(state.range(0)), [&] {
    while (state.KeepRunningBatch(batch)) {
      workload(batch);
    }
  });
  state.SetItemsProcessed(state.iterations());
}

void run_parked(benchmark::State& state) {
  const std::int64_t size = state.range(1);
  weft::run(with_workers(state.range(0)), [&] {
    while (state.KeepRunningBatch(size)) {
      workloads::parked_crowd crowd(size);
      state.PauseTiming();
      crowd.release();
      state.ResumeTiming();
    }
    state.counters["unguarded"] = static_cast<double>(weft::stats().unguarded_stacks);
  });
  state.SetItemsProcessed(state.iterations());
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
    return 2;
  }
  for (const auto& w : workloads::all) {
    benchmark::RegisterBenchmark(std::string(w.name).c_str(), run_workload, w.run)
        ->ArgName("workers")
        ->Arg(1)
        ->Arg(2)
        ->MeasureProcessCPUTime()
        ->UseRealTime();
  }
  benchmark::RegisterBenchmark("parked", run_parked)
      ->ArgNames({"workers", "goroutines"})
      ->ArgsProduct({{1, 2}, {1'000, 100'000}})
      ->MeasureProcessCPUTime()
      ->UseRealTime();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
