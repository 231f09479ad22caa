// weft's own entry among the peers, see ../peer.hpp. The variant `coroutines` has the crowds as
// C++20 coroutines.
#include "../../workloads.hpp"
#include "../peer.hpp"
#include "latency.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

namespace {

using workloads::watch;

template <class Crowd>
void parked(std::int64_t ops) {
  const std::int64_t before = peer::memory();
  watch.start(ops);
  Crowd crowd(ops);
  watch.stop();
  const auto bytes = static_cast<double>(peer::memory() - before) / static_cast<double>(ops);
  const auto stats = weft::stats();
  crowd.release();
  peer::report({{"ns_per_op", watch.ns_per_operation()},
                {"bytes_per_op", bytes},
                {"unguarded_stacks", static_cast<double>(stats.unguarded_stacks)}});
}

// The counters of the measured run beside its time: they say what an operation makes the scheduler
// do.
void timed(const workloads::workload& w, std::int64_t ops) {
  if (w.warm) {
    w.run(ops, w.n);
  }
  const auto before = weft::stats();
  watch.start(ops);
  w.run(ops, w.n);
  watch.stop();
  const auto after = weft::stats();
  const auto each = [](std::uint64_t from, std::uint64_t to) {
    return static_cast<double>(to - from) / static_cast<double>(watch.operations());
  };
  peer::report({{"ns_per_op", watch.ns_per_operation()},
                {"switches", each(before.switches, after.switches)},
                {"steals", each(before.steals, after.steals)},
                {"wakeups", each(before.wakeups, after.wakeups)}});
}

void serve(weft::tcp_stream connection) {
  std::array<std::byte, 4096> buffer;
  try {
    while (const std::size_t n = connection.read(buffer)) {
      connection.write(std::span(buffer).first(n));
    }
  } catch (const std::system_error&) {
    // the client is gone
  }
}

weft::coro<> serve_as_coroutine(weft::tcp_stream connection) {
  std::array<std::byte, 4096> buffer;
  try {
    while (const std::size_t n = co_await connection.async_read(buffer)) {
      co_await connection.async_write(std::span(buffer).first(n));
    }
  } catch (const std::system_error&) {
    // the client is gone
  }
}

template <class Serve>
void echo(Serve start) {
  weft::tcp_listener listener("127.0.0.1", 0);
  std::printf("port %d\n", listener.local_address().port());
  std::fflush(stdout);
  for (;;) {
    start(listener.accept());
  }
}

void run(const peer::request& r) {
  if (r.variant == "coroutines") {
    if (r.base == "parked") {
      return parked<workloads::suspended_crowd>(r.ops);
    }
    if (r.base == "sleepers") {
      return timed({r.workload, workloads::coroutine_sleepers, false}, r.ops);
    }
    if (r.base == "echo") {
      return echo([](weft::tcp_stream s) { weft::go(serve_as_coroutine(std::move(s))); });
    }
    throw peer::no_such_workload();
  }
  if (r.base == "parked") {
    return parked<workloads::parked_crowd>(r.ops);
  }
  if (r.base == "echo") {
    return echo([](weft::tcp_stream s) { weft::go(serve, std::move(s)); });
  }
  if (measure_latency(r)) {
    return;
  }
  const auto found = workloads::find(r.workload);
  if (found.run == nullptr) {
    throw peer::no_such_workload();
  }
  timed(found, r.ops);
}

}  // namespace

int main(int argc, char** argv) {
  return peer::main(argc, argv, [](const peer::request& r) {
    weft::options options;
    options.workers = r.workers;
    weft::run(options, [&] { run(r); });
  });
}
