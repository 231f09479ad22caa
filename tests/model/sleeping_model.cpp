// How workers go to sleep and are woken (src/sched/sleeping.cpp): nothing that could be taken is left
// while a worker sleeps. A time-out would mend a lost wake-up, so time stands still here.
//
// A lone goroutine stays with its worker until the watcher comes by: so there is always one more than
// have to meet, or one that its own worker runs.
#include <memory>

#include "base/barrier.hpp"
#include "model/check.hpp"
#include "model/runtime.hpp"
#include "park/park.hpp"

namespace m = weft_model;
using weft::detail::has_membarrier;

namespace {

constexpr m::limits bounds{.preemptions = 2, .timeouts = 0};

}  // namespace

TEST_CASE("model: sleeping, goroutines from outside need two workers", "[model]") {
  has_membarrier = GENERATE(true, false);
  m::check_scheduler(bounds, [](m::scenario& s) {
    auto* r = new m::runtime(2);
    auto* two = new m::meeting(2);
    s.thread([=] {
      for (int i = 0; i < 3; ++i) r->go([=] { two->come(); });
    });
    s.at_end([=] { r->check_all_ended(); });
  });
}

TEST_CASE("model: sleeping, one goroutine from each of two threads", "[model]") {
  m::check_scheduler(bounds, [](m::scenario& s) {
    auto* r = new m::runtime(2);
    for (int i = 0; i < 2; ++i) {
      s.thread([=] { r->go([] {}); });
    }
    s.at_end([=] { r->check_all_ended(); });
  });
}

TEST_CASE("model: sleeping, a goroutine that keeps its worker starts others", "[model]") {
  has_membarrier = GENERATE(true, false);
  m::check_scheduler(bounds, [](m::scenario& s) {
    auto* r = new m::runtime(2);
    auto* two = new m::meeting(2);
    r->go([=] {
      for (int i = 0; i < 2; ++i) r->go([=] { two->come(); });
      two->come();
    });
    s.at_end([=] { r->check_all_ended(); });
  });
}

// A worker that has not been started counts as a sleeper; so only where there is no other a push from
// outside may find nobody to wake.
TEST_CASE("model: sleeping, a goroutine from outside and one worker", "[model]") {
  has_membarrier = GENERATE(true, false);
  m::check_scheduler(bounds, [](m::scenario& s) {
    auto* r = new m::runtime(1);
    s.thread([=] { r->go([] {}); });
    s.at_end([=] { r->check_all_ended(); });
  });
}
