// select: values whose copy or move throws, handlers that use what they were chosen from, and values
// that are hard to move.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"
#include "values.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::on_default;
using weft::on_recv;
using weft::on_send;
using weft::on_timeout;
using weft::select;
using weft_test::fused;
using weft_test::until_parked;
using weft_test::value_error;

namespace {
int number(const std::optional<fused>& v) { return v ? v->value() : -1; }
}  // namespace

TEST_CASE("a send of a select that throws leaves the value and the channels as they were",
          "[select][throws]") {
  const int before = fused::alive;
  {
    weft::chan<fused> c(1);
    weft::chan<int> other;
    fused bad(1, 0);
    CHECK_THROWS_AS(select(on_send(c, bad), on_recv(other)), value_error);
    CHECK(c.size() == 0);
    bad.arm(0);
    CHECK_THROWS_AS(select(on_recv(other), on_send(c, std::move(bad)), on_default([] {})),
                    value_error);
    CHECK(c.size() == 0);
    CHECK(bad.value() == 1);
    // The same value again, now that its fuse has burnt.
    CHECK(select(on_send(c, bad), on_recv(other)) == 0);
    CHECK(c.recv()->value() == 1);
  }
  CHECK(fused::alive == before);
}

TEST_CASE("a receive of a select that throws drops the value, and the channel goes on",
          "[select][throws]") {
  const int before = fused::alive;
  {
    weft::chan<fused> c(2);
    weft::chan<int> other;
    fused bad(1);
    c.send(bad);
    c.send(fused(2));
    bad.arm(0);
    CHECK_THROWS_AS(select(on_recv(c), on_recv(other)), value_error);
    int got = 0;
    CHECK(select(on_recv(c, [&](std::optional<fused> v) { got = number(v); }), on_recv(other)) ==
          0);
    CHECK(got == 2);
    CHECK(c.size() == 0);
  }
  CHECK(fused::alive == before);
}

TEST_CASE("a select that waits, and a partner whose value throws", "[select][throws]") {
  // The exception strikes at one of the copies or moves on the way: it leaves the send or the
  // select, once, and the value is never there twice.
  const int before = fused::alive;
  for (int fuse = 0; fuse < 4; ++fuse) {
    for (std::size_t capacity : {0u, 1u}) {
      weft::run([&] {
        weft::chan<fused> c(capacity);
        weft::chan<int> other;
        auto chooses = weft::spawn([&] {
          std::vector<int> seen;
          int errors = 0;
          while (seen.empty() || seen.back() != 2) {
            try {
              select(on_recv(other),
                     on_recv(c, [&](std::optional<fused> v) { seen.push_back(number(v)); }));
            } catch (const value_error&) {
              ++errors;
            }
          }
          return std::make_pair(seen, errors);
        });
        until_parked(1);
        int errors = 0;
        fused bad(1, fuse);
        try {
          c.send(bad);
        } catch (const value_error&) {
          ++errors;
        }
        c.send(fused(2));
        auto [seen, select_errors] = chooses.get();
        const auto ones = std::size_t(errors + select_errors == 0 ? 1 : 0);
        CHECK(errors + select_errors <= 1);
        CHECK(seen.size() == ones + 1);
        if (fuse == 0) CHECK(errors == 1);
      });
    }
  }
  CHECK(fused::alive == before);
}

TEST_CASE("a select that waits to send, and a value that throws on its way out",
          "[select][throws]") {
  const int before = fused::alive;
  for (int fuse = 0; fuse < 4; ++fuse) {
    weft::run([&] {
      weft::chan<fused> c;
      weft::chan<int> other;
      auto chooses = weft::spawn([&] {
        int errors = 0;
        fused bad(1, fuse);
        try {
          select(on_recv(other), on_send(c, bad));
        } catch (const value_error&) {
          ++errors;
        }
        c.send(fused(2));
        return errors;
      });
      until_parked(1);
      int errors = 0;
      std::vector<int> seen;
      while (seen.empty() || seen.back() != 2) {
        try {
          seen.push_back(c.recv()->value());
        } catch (const value_error&) {
          ++errors;
        }
      }
      errors += chooses.get();
      CHECK(errors <= 1);
      if (fuse == 0) CHECK(errors == 1);
      // It may have gone to its sender and been tried again, or have been dropped on the way.
      CHECK(seen.size() <= 2);
      if (errors == 0) CHECK(seen.size() == 2);
    });
  }
  CHECK(fused::alive == before);
}

TEST_CASE("two selects that meet over a value that throws", "[select][throws]") {
  const int before = fused::alive;
  const int rounds = weft_test::scaled(300);
  weft::run([&] {
    weft::chan<fused> c;
    weft::chan<int> quiet;
    std::atomic<int> errors = 0;
    std::atomic<bool> ends = false;
    auto sends = weft::spawn([&] {
      for (int i = 0; i < rounds; ++i) {
        try {
          fused v(i, i % 3 == 0 ? i % 4 : -1);
          select(on_recv(quiet), on_send(c, v));
        } catch (const value_error&) {
          ++errors;
        }
      }
      ends = true;
      c.close();
    });
    std::vector<int> times(rounds, 0);
    bool open = true;
    while (open) {
      try {
        select(on_recv(c,
                       [&](std::optional<fused> v) {
                         open = v.has_value();
                         if (v) ++times[number(v)];
                       }),
               on_recv(quiet));
      } catch (const value_error&) {
        ++errors;
      }
    }
    sends.get();
    int arrived = 0;
    bool twice = false;
    for (int n : times) {
      arrived += n;
      twice = twice || n > 1;
    }
    CHECK_FALSE(twice);
    CHECK(arrived <= rounds);
    CHECK(arrived >= rounds - errors);
  });
  CHECK(fused::alive == before);
}

TEST_CASE("hard values through selects on both sides", "[select][types]") {
  weft::run({.stack_size = 1 << 20}, [] {
    weft::chan<weft_test::large> big;
    weft::chan<weft_test::over_aligned> aligned;
    weft::chan<weft_test::move_only> own;
    weft::chan<weft_test::no_default> plain(1);
    weft::chan<weft_test::nothing> empty;
    weft::chan<void> signal;
    const int rounds = weft_test::scaled(200);
    auto sends = weft::spawn([&] {
      for (int i = 0; i < rounds; ++i) {
        const weft_test::large value{unsigned(i)};
        select(on_send(big, value));
        select(on_send(aligned, weft_test::over_aligned{i}), on_recv(signal));
        select(on_recv(signal), on_send(own, weft_test::move_only(i)));
        select(on_send(plain, weft_test::no_default(i)), on_recv(signal));
        select(on_send(empty, weft_test::nothing()), on_recv(signal));
        select(on_send(signal));
      }
    });
    bool good = true;
    for (int i = 0; i < rounds; ++i) {
      weft::chan<int> never;
      std::optional<weft_test::large> a;
      std::optional<weft_test::over_aligned> b;
      std::optional<weft_test::move_only> m;
      std::optional<weft_test::no_default> n;
      std::optional<weft_test::nothing> e;
      bool s = false;
      select(on_recv(never), on_recv(big, a));
      select(on_recv(aligned, b), on_recv(never));
      select(on_recv(own, m));
      select(on_recv(plain, n), on_recv(never));
      select(on_recv(never), on_recv(empty, e));
      select(on_recv(signal, s), on_recv(never));
      good = good && a->whole(unsigned(i)) && b->value == i && b->in_place() && m->value() == i &&
             n->value == i && e && s;
    }
    sends.get();
    CHECK(good);
  });
}

TEST_CASE("a value is kept over a whole select that waits and is lost", "[select]") {
  // Both sends wait with a value each; the one that does not win still has its own.
  weft::run([] {
    const int rounds = weft_test::scaled(500);
    weft::chan<std::unique_ptr<int>> a;
    weft::chan<std::unique_ptr<int>> b;
    for (int i = 0; i < rounds; ++i) {
      auto chooses = weft::spawn([&, i] {
        auto p = std::make_unique<int>(i);
        auto q = std::make_unique<int>(-i);
        auto which = select(on_send(a, std::move(p)), on_send(b, std::move(q)));
        return which == 0 ? !p && q && *q == -i : p && !q && *p == i;
      });
      if (i % 2 == 0) until_parked(1);
      if (i % 4 < 2) {
        REQUIRE(**a.recv() == i);
      } else {
        REQUIRE(**b.recv() == -i);
      }
      REQUIRE(chooses.get());
    }
  });
}

TEST_CASE("handlers use the same channels again, after a wait, on every kind of case", "[select]") {
  weft::run([] {
    weft::chan<int> c;
    weft::chan<int> d;
    auto echo = weft::spawn([&] {
      for (int v : c) d.send(v + 1);
    });
    int sum = 0;
    const int rounds = weft_test::scaled(200);
    for (int i = 0; i < rounds; ++i) {
      // The handler of a send receives the answer by another select on both channels.
      select(on_recv(d), on_send(c, i, [&] {
               select(on_recv(d,
                              [&](std::optional<int> v) {
                                sum += *v - i;
                                c.send(i);
                                d.recv();
                              }),
                      on_send(weft::chan<int>(nullptr), 1));
             }));
      // So does that of a time-out and of a default.
      select(on_recv(d), on_timeout(0ms, [&] {
               c.send(1);
               sum += *d.recv() == 2;
             }));
      select(on_recv(d), on_default([&] {
               c.send(2);
               sum += *d.recv() == 3;
             }));
    }
    c.close();
    echo.get();
    CHECK(sum == 3 * rounds);
  });
}

TEST_CASE("a handler that throws has received, and the channels work on", "[select][throws]") {
  weft::run([] {
    weft::chan<int> c;
    auto sends = weft::spawn([&] {
      c.send(1);
      c.send(2);
    });
    CHECK_THROWS_AS(select(on_recv(c, [](std::optional<int>) { throw value_error(); }),
                           on_timeout(1h)),
                    value_error);
    CHECK(c.recv() == 2);
    sends.get();
  });
}
