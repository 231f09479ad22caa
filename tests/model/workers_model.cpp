// Workers that are kept or leave (src/sched/pinning.cpp, monitor.cpp): however pins, retirements and
// set_workers meet, somebody is left to run what stands in a queue. The monitor sleeps meanwhile and
// no time-out helps: what those would mend must not be left to them.
#include <memory>

#include "model/check.hpp"
#include "model/runtime.hpp"
#include "weft/chan.hpp"

namespace m = weft_model;

namespace {

constexpr m::limits bounds{.preemptions = 1, .delayed_stores = 0, .timeouts = 0};

}  // namespace

TEST_CASE("model: workers, a pin while another retires", "[model]") {
  m::check(bounds, [](m::scenario& s) {
    auto* r = new m::runtime(2, 3);
    weft::chan<int> c(1);
    r->go([=] {
      const m::pin_here pin;
      r->go([=] { c.send(1); });
      c.recv();
    });
    s.thread([=] { r->core().set_workers(1); });
    s.at_end([=] { r->check_all_ended(); });
  });
}

TEST_CASE("model: workers, two pins at once", "[model]") {
  m::check(bounds, [](m::scenario& s) {
    auto* r = new m::runtime(1, 3);
    weft::chan<int> a(1);
    weft::chan<int> b(1);
    r->go([=] {
      const m::pin_here pin;
      a.send(1);
      b.recv();
    });
    r->go([=] {
      const m::pin_here pin;
      a.recv();
      b.send(1);
    });
    s.at_end([=] { r->check_all_ended(); });
  });
}

TEST_CASE("model: workers, a pinned goroutine is woken from outside", "[model]") {
  m::check_scheduler({.preemptions = 2, .timeouts = 0}, [](m::scenario& s) {
    auto* r = new m::runtime(1, 2);
    weft::chan<int> c(0);
    r->go([=] {
      const m::pin_here pin;
      c.recv();
    });
    s.thread([=] { c.send(1); });
    s.at_end([=] { r->check_all_ended(); });
  });
}

TEST_CASE("model: workers, fewer are wanted while work comes", "[model]") {
  m::check(bounds, [](m::scenario& s) {
    auto* r = new m::runtime(2, 3);
    s.thread([=] {
      for (int i = 0; i < 3; ++i) r->go([] {});
    });
    s.thread([=] { r->core().set_workers(1); });
    s.at_end([=] { r->check_all_ended(); });
  });
}

TEST_CASE("model: workers, more are wanted while one is kept", "[model]") {
  m::check_scheduler({.preemptions = 2, .timeouts = 0}, [](m::scenario& s) {
    auto* r = new m::runtime(1, 2);
    auto* two = new m::meeting(2);
    r->go([=] {
      for (int i = 0; i < 2; ++i) r->go([=] { two->come(); });
      two->come();
    });
    s.thread([=] { r->core().set_workers(2); });
    s.at_end([=] { r->check_all_ended(); });
  });
}
