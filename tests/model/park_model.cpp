// Goroutines that park (src/park, src/sched/switching.hpp) beside who wakes them: a word opens only
// when the context is saved (no_early_resume), and nothing of a frame is touched once it is open and
// the locks are dropped (no_touch_after_commit); partners, time-outs and the end of a run agree on
// who has claimed a wait, also where a claim goes without a locked instruction.
#include <array>
#include <memory>
#include <optional>

#include "base/barrier.hpp"
#include "model/check.hpp"
#include "model/runtime.hpp"
#include "weft/chan.hpp"
#include "weft/runtime.hpp"
#include "weft/select.hpp"

namespace m = weft_model;
using weft::chan_status;

namespace {

constexpr m::limits bounds{.preemptions = 2, .timeouts = 0};
const weft::clock::time_point soon{std::chrono::hours(1) + std::chrono::nanoseconds(1)};

// A value sent is received once, or still in the channel.
struct counts {
  weft::chan<int> c;
  int sent = 0;
  int received = 0;
  int left_by_exit = 0;
  explicit counts(std::size_t capacity) : c(capacity) {}
  // Counts how a goroutine's wait came out.
  template <class F>
  void wait(F f) {
    try {
      f();
    } catch (const weft::goroutine_exit&) {
      ++left_by_exit;
      throw;
    }
  }
  void send() {
    wait([&] {
      c.send(1);
      ++sent;
    });
  }
  void receive() {
    wait([&] { received += c.recv() ? 1 : 0; });
  }
  void balance() {
    std::optional<int> v;
    while (c.try_recv(v) == chan_status::ok) ++received;
    m::require(sent == received, "lost, or delivered twice");
  }
};

}  // namespace

TEST_CASE("model: park, a goroutine receives what a thread sends", "[model]") {
  const std::size_t capacity = GENERATE(0, 1);
  m::check_scheduler(bounds, [=](m::scenario& s) {
    auto* r = new m::runtime(1);
    auto* n = new counts(capacity);
    r->go([=] { n->receive(); });
    s.thread([=] { n->send(); });
    s.at_end([=] {
      r->check_all_ended();
      n->balance();
    });
  });
}

TEST_CASE("model: park, goroutines of two workers meet", "[model]") {
  const std::size_t capacity = GENERATE(0, 1);
  m::check({.preemptions = 2, .delayed_stores = 0, .timeouts = 0}, [=](m::scenario& s) {
    auto* r = new m::runtime(2);
    auto* n = new counts(capacity);
    // One more, so that the second worker takes something.
    for (int i = 0; i < 2; ++i) r->go([=] { n->send(); });
    r->go([=] {
      n->receive();
      n->receive();
    });
    s.at_end([=] {
      r->check_all_ended();
      n->balance();
    });
  });
}

TEST_CASE("model: park, a time-out races with a sender", "[model]") {
  const std::size_t capacity = GENERATE(0, 1);
  m::check_scheduler({.preemptions = 2, .timeouts = 1}, [=](m::scenario& s) {
    auto* r = new m::runtime(1);
    auto* n = new counts(capacity);
    r->go([=] {
      std::optional<int> v;
      n->c.recv_until(v, soon);
      n->received += v ? 1 : 0;
    });
    s.thread([=] {
      if (n->c.send_until(1, soon) == chan_status::ok) ++n->sent;
    });
    s.at_end([=] { n->balance(); });
  });
}

TEST_CASE("model: park, the run ends while a partner claims", "[model]") {
  weft::detail::has_membarrier = GENERATE(true, false);
  m::check_scheduler({.preemptions = 3, .timeouts = 0}, [=](m::scenario& s) {
    auto* r = new m::runtime(1);
    auto* n = new counts(0);
    // The receiver waits before the sender runs: the newest seed is picked first.
    r->go([=] { n->send(); });
    r->go([=] { n->receive(); });
    s.thread([=] { r->end(); });
    s.at_end([=] {
      r->check_all_ended();
      n->balance();
    });
  });
}

TEST_CASE("model: park, a select of two is met on both", "[model]") {
  m::check_scheduler(bounds, [=](m::scenario& s) {
    auto* r = new m::runtime(1);
    auto* a = new counts(0);
    auto* b = new counts(0);
    // By address, in the same order in each execution.
    r->go([=] {
      for (int i = 0; i < 2; ++i) {
        std::optional<int> v;
        counts* chosen = weft::select(weft::on_recv(a->c, v), weft::on_recv(b->c, v)) == 0 ? a : b;
        chosen->received += v ? 1 : 0;
      }
    });
    s.thread([=] { a->send(); });
    s.thread([=] { b->send(); });
    s.at_end([=] {
      r->check_all_ended();
      a->balance();
      b->balance();
    });
  });
}

// The word opens under the wheel's lock, so who claims it at once finds the wheel to unlink from.
TEST_CASE("model: park, the run ends while a limited wait begins", "[model]") {
  m::check({.preemptions = 1, .delayed_stores = 0, .timeouts = 0}, [=](m::scenario& s) {
    auto* r = new m::runtime(2);
    auto* n = new counts(0);
    r->go([=] {
      std::optional<int> v;
      n->wait([&] { n->c.recv_until(v, soon); });
    });
    s.thread([=] { r->end(); });
    s.at_end([=] { r->check_all_ended(); });
  });
}
