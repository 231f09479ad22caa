// The workloads under Google Benchmark, each with one worker and with two.
//
// The loop runs on a goroutine inside one `run`, in batches so that the goroutines and channels
// that a workload sets up do not count. Wall time is what is compared: with two workers the CPU
// time, which is the process's, says what the speed costs.
#include "workloads.hpp"

#include <benchmark/benchmark.h>

#include <array>
#include <cstdint>
#include <string>

namespace {

constexpr std::int64_t batch = 10'000;

weft::options with_workers(std::int64_t n) {
  weft::options o;
  o.workers = static_cast<unsigned>(n);
  return o;
}

constexpr std::array names{
    "spawn",          "spawn_join",     "yield",           "ping_pong",        "unbuffered",
    "buffered_128",   "many_to_many_4", "select_2",        "select_timeout_8", "select_default_1",
    "select_default_2", "ring_503",     "skynet",          "fib",              "mutex_1",
    "mutex_8",        "timer_1",
};

void run_workload(benchmark::State& state, const workloads::workload& w) {
  weft::run(with_workers(state.range(0)), [&] {
    while (state.KeepRunningBatch(batch)) {
      w.run(batch, w.n);
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

// What synchronisation costs when nobody competes for it: the same pair of operations over and over.
template <class Operation>
void register_uncontended(const char* name, Operation operation) {
  benchmark::RegisterBenchmark(
      (std::string("uncontended/") + name).c_str(), [operation](benchmark::State& state) mutable {
        weft::run(with_workers(1), [&] {
          for (auto _ : state) operation();
        });
      });
}

void register_uncontended_all() {
  static weft::shared_mutex shared;
  static weft::semaphore permits(8);
  static weft::once once;
  static weft::barrier alone(1);
  static weft::condition_variable nobody;
  static weft::concurrent_map<int, int> map;
  static weft::pool<std::string> strings([] { return std::string(); });
  static weft::single_flight<int, int> flight;
  register_uncontended("shared_mutex_write", [] {
    shared.lock();
    shared.unlock();
  });
  register_uncontended("shared_mutex_read", [] {
    shared.lock_shared();
    shared.unlock_shared();
  });
  register_uncontended("semaphore", [] {
    permits.acquire(3);
    permits.release(3);
  });
  register_uncontended("once", [] { once.call([] {}); });
  register_uncontended("notify_nobody", [] { nobody.notify_one(); });
  register_uncontended("latch", [] {
    weft::latch one(1);
    one.count_down();
    one.wait();
  });
  register_uncontended("barrier", [] { alone.arrive_and_wait(); });
  register_uncontended("concurrent_map_store", [i = 0]() mutable { ++i; map.store(i % 1024, i); });
  register_uncontended("concurrent_map_load", [i = 0]() mutable {
    benchmark::DoNotOptimize(map.load(++i % 1024));
  });
  register_uncontended("pool", [] { strings.put(strings.get()); });
  register_uncontended("single_flight", [] {
    benchmark::DoNotOptimize(flight.run(1, [] { return 1; }).value);
  });
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
    return 2;
  }
  for (const char* name : names) {
    benchmark::RegisterBenchmark(name, run_workload, workloads::find(name))
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
  register_uncontended_all();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
