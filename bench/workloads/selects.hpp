// Select: over channels that are fed, with a time-out that never comes, and with a default.
#ifndef WEFT_BENCH_SELECTS_HPP
#define WEFT_BENCH_SELECTS_HPP

#include "measure.hpp"

#include <weft/weft.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace workloads {

// n channels, each fed by a goroutine of its own with every n-th value.
inline std::vector<weft::chan<std::int64_t>> fed_channels(std::int64_t ops, std::int64_t n) {
  std::vector<weft::chan<std::int64_t>> channels(static_cast<std::size_t>(n));
  for (std::int64_t k = 0; k < n; ++k) {
    weft::go([ops, n, k, c = channels[static_cast<std::size_t>(k)]] {
      for (std::int64_t i = k; i < ops; i += n) {
        c.send(i);
      }
    });
  }
  return channels;
}

inline void select_2(std::int64_t ops) {
  const auto c = fed_channels(ops, 2);
  std::int64_t sum = 0;
  auto add = [&sum](std::optional<std::int64_t> v) { sum += *v; };
  for (std::int64_t i = 0; i < ops; ++i) {
    weft::select(weft::on_recv(c[0], add), weft::on_recv(c[1], add));
  }
  check(sum, ops);
}

// Two cases as they stand in a program; for other numbers, cases in a vector.
inline void select(std::int64_t ops, std::int64_t n) {
  if (n == 2) {
    return select_2(ops);
  }
  std::int64_t sum = 0;
  auto add = [&sum](std::optional<std::int64_t> v) { sum += *v; };
  std::vector<weft::select_case> cases;
  for (const auto& c : fed_channels(ops, n)) {
    cases.emplace_back(weft::on_recv(c, add));
  }
  for (std::int64_t i = 0; i < ops; ++i) {
    weft::select(cases);
  }
  check(sum, ops);
}

// Eight fed channels and an hour.
inline void select_timeout(std::int64_t ops, std::int64_t n) {
  expect(n, 8);
  const auto c = fed_channels(ops, 8);
  std::int64_t sum = 0;
  auto add = [&sum](std::optional<std::int64_t> v) { sum += *v; };
  for (std::int64_t i = 0; i < ops; ++i) {
    weft::select(weft::on_recv(c[0], add), weft::on_recv(c[1], add), weft::on_recv(c[2], add),
                 weft::on_recv(c[3], add), weft::on_recv(c[4], add), weft::on_recv(c[5], add),
                 weft::on_recv(c[6], add), weft::on_recv(c[7], add),
                 weft::on_timeout(std::chrono::hours(1), [] { expect(1, 0); }));
  }
  check(sum, ops);
}

// One or two empty channels.
inline void select_default(std::int64_t ops, std::int64_t n) {
  weft::chan<std::int64_t> a, b;
  std::int64_t nothing = 0;
  auto count = [&nothing] { ++nothing; };
  if (n == 1) {
    for (std::int64_t i = 0; i < ops; ++i) {
      weft::select(weft::on_recv(a), weft::on_default(count));
    }
  } else {
    expect(n, 2);
    for (std::int64_t i = 0; i < ops; ++i) {
      weft::select(weft::on_recv(a), weft::on_recv(b), weft::on_default(count));
    }
  }
  expect(nothing, ops);
}

}  // namespace workloads

#endif
