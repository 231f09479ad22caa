// The number of workers changes and goroutines keep threads, while others talk, sleep and end.
#include "conformance/collect.hpp"
#include "stress/chance.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <optional>
#include <sstream>
#include <system_error>
#include <vector>

#include <unistd.h>

using namespace std::chrono_literals;

namespace {

// One step of somebody: any wait there is.
void step(weft_test::chance& chance, const weft::chan<int>& common) {
  std::optional<int> v;
  switch (chance.below(9)) {
    case 0: weft::yield(); break;
    case 1: weft::sleep_for(std::chrono::microseconds(chance.below(200))); break;
    case 2: common.send_for(1, std::chrono::microseconds(chance.below(100))); break;
    case 3: common.recv_for(v, std::chrono::microseconds(chance.below(100))); break;
    case 4: weft::spawn([] { weft::yield(); }).wait(); break;
    case 5:
      weft::select(weft::on_recv(common, v), weft::on_send(common, 2), weft::on_timeout(50us));
      break;
    case 6: weft::blocking([] {}); break;
    case 7: {
      weft::chan<int> c;
      weft::go([c] { c.send(7); });
      c.recv();
      break;
    }
    default: break;
  }
}

struct load {
  int goroutines;
  int steps;
  bool pins;
  bool changes;
  bool dumps;
};

void run_under(const load& l, std::uint64_t seed) {
  weft_test::notes notes;
  std::atomic<long> done = 0;
  weft::run({.max_threads = 24}, [&] {
    weft_test::chance dice(seed);
    weft::chan<int> common;
    weft::wait_group group;
    std::atomic<bool> stop = false;
    for (int g = 0; g < l.goroutines; ++g) {
      group.go([&, own = dice.next(), g] {
        weft_test::chance chance(own);
        for (int i = 0; i < l.steps; ++i) {
          if (l.pins && g % 3 == 0 && chance.one_in(4)) {
            try {
              const weft::pinned pin;
              const pid_t thread = gettid();
              for (int k = chance.below(6); k >= 0; --k) {
                step(chance, common);
                notes.expect(gettid() == thread, "a pinned goroutine has moved");
              }
            } catch (const std::system_error&) {
              weft::yield();  // too many at once
            }
          } else {
            step(chance, common);
          }
          ++done;
        }
      });
    }
    weft::wait_group others;
    if (l.changes) {
      others.go([&, own = dice.next()] {
        weft_test::chance chance(own);
        while (!stop) {
          weft::set_workers(1 + unsigned(chance.below(12)));
          weft::sleep_for(std::chrono::microseconds(chance.below(500)));
        }
      });
    }
    if (l.dumps) {
      others.go([&] {
        while (!stop) {
          std::ostringstream text;
          weft::dump(text);
          weft::sleep_for(200us);
        }
      });
    }
    group.wait();
    stop = true;
    others.wait();
  });
  CHECK(done == long(l.goroutines) * l.steps);
  CHECK(notes.text() == "");
}

}  // namespace

TEST_CASE("the number of workers changes under load", "[stress][workers]") {
  run_under({.goroutines = 30, .steps = int(weft_test::scaled(2000)) + 20, .pins = false,
             .changes = true, .dumps = false},
            weft_test::first_seed());
}

TEST_CASE("goroutines pin themselves under load", "[stress][workers]") {
  run_under({.goroutines = 20, .steps = int(weft_test::scaled(1000)) + 20, .pins = true,
             .changes = false, .dumps = false},
            weft_test::first_seed());
}

TEST_CASE("everything that changes the scheduler at once", "[stress][workers]") {
  run_under({.goroutines = 20, .steps = int(weft_test::scaled(700)) + 20, .pins = true,
             .changes = true, .dumps = true},
            weft_test::first_seed());
}

TEST_CASE("runs end while the number changes and goroutines are pinned", "[stress][workers]") {
  weft_test::chance dice(weft_test::first_seed());
  std::atomic<int> unwound = 0;
  const int rounds = int(weft_test::scaled(300)) + 5;
  for (int round = 0; round < rounds; ++round) {
    weft::run({.workers = 1 + unsigned(dice.below(4)), .max_threads = 24}, [&] {
      weft::chan<void> ready;
      for (int i = 0; i < 6; ++i) {
        weft::go([&unwound, ready, i, own = dice.next()] {
          const weft_test::at_end count([&] { ++unwound; });
          weft_test::chance chance(own);
          std::optional<weft::pinned> pin;
          if (i % 2 == 0) pin.emplace();
          ready.send();
          for (;;) {
            if (i == 1) weft::set_workers(1 + unsigned(chance.below(6)));
            step(chance, weft::chan<int>(nullptr));
            weft::yield();
          }
        });
      }
      for (int i = 0; i < 6; ++i) ready.recv();
      for (int i = dice.below(20); i > 0; --i) weft::yield();
    });
  }
  CHECK(unwound == 6 * rounds);
}
