// The workloads that the benchmarks run: here in weft, in bench/peers/ the same in others.
//
// Each runs inside a goroutine, performs `ops` operations (an even number, at least two) and
// returns when all are done. A name may end in a number, `ring_503`, which the workload gets as n.
// docs/benchmarks.md says what one operation is.
#ifndef WEFT_BENCH_WORKLOADS_HPP
#define WEFT_BENCH_WORKLOADS_HPP

#include "workloads/channels.hpp"
#include "workloads/crowds.hpp"
#include "workloads/goroutines.hpp"
#include "workloads/processes.hpp"
#include "workloads/selects.hpp"
#include "workloads/sync_time.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <string_view>

namespace workloads {

struct workload {
  std::string_view name;
  void (*run)(std::int64_t ops, std::int64_t n) = nullptr;
  bool warm = true;  // may be run a first time that does not count
  std::int64_t n = 1;
};

inline constexpr std::array all{
    workload{"spawn", spawn},
    workload{"spawn_join", spawn_join},
    workload{"yield", yield},
    workload{"ping_pong", ping_pong},
    workload{"unbuffered", unbuffered},
    workload{"buffered", produce_consume},
    workload{"many_to_many", many_to_many},
    workload{"select", select},
    workload{"select_timeout", select_timeout},
    workload{"select_default", select_default},
    workload{"ring", ring},
    workload{"sieve", sieve},
    workload{"skynet", skynet},
    workload{"fib", fib},
    workload{"mutex", mutex},
    workload{"timer", timer},
    workload{"element", element},
    workload{"process", process},
    workload{"sleepers", sleepers, false},
};

// The workload of that name, with its n; `run` is null if there is none.
inline workload find(std::string_view name) {
  std::int64_t n = 1;
  std::string_view base = name;
  if (const auto digits = name.find_last_not_of("0123456789"); digits + 1 < name.size()) {
    std::from_chars(name.data() + digits + 1, name.data() + name.size(), n);
    base = name.substr(0, digits);  // without the underscore
  }
  const auto found = std::ranges::find(all, base, &workload::name);
  return found == all.end() ? workload{name} : workload{name, found->run, found->warm, n};
}

}  // namespace workloads

#endif
