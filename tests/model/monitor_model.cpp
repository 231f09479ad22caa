// The monitor goes to sleep (src/sched/monitor.cpp) while a goroutine keeps the only worker: whoever
// makes work or sets a timer then, or goes on and is kept again, is heard. The monitor's looks are a
// time-out each, and these come only when nobody can go on: so a wake-up that is lost leaves everybody
// waiting.
#include <array>
#include <functional>
#include <memory>

#include "base/barrier.hpp"
#include "model/check.hpp"
#include "model/runtime.hpp"
#include "weft/chan.hpp"

namespace m = weft_model;
using namespace weft::detail;

namespace {

constexpr m::limits bounds{.preemptions = 1, .timeouts = 0};

// Over all executions: acts that came before the monitor slept, and while it did.
std::array<unsigned, 2> acts;

struct world {
  m::runtime* runtime;
  m::atomic<bool> happened{false};  // what all wait for
  m::atomic<bool> over{false};

  explicit world(m::scenario& s, unsigned workers = 1) : runtime(new m::runtime(workers, 3)) {
    s.thread([this] { runtime->core().monitor_until(over); });
    s.at_end([this] { runtime->check_all_ended(); });
  }
  void go(std::function<void()> f) { runtime->go(std::move(f)); }
  void start_what_is_waited_for() {
    go([this] { happened.store(true); });
  }
  void until_monitor_tires(int looks) {
    m::until_monitor_tires(looks);
    ++acts[runtime->core().monitor_rests() ? 1 : 0];
  }
  void until_it_happened() {
    while (!happened.load()) m::spin();
    over.store(true);
    runtime->core().wake_monitor();
  }
};

// Starts what is waited for once it is due.
struct late_start final : timer_node {
  explicit late_start(world* w) : in(w) {
    at = steady_now() + 1;
    fire = [](timer_node* n) { static_cast<late_start*>(n)->in->start_what_is_waited_for(); };
  }
  void set() { in->runtime->core().add_timer(*this); }
  world* in;
};

void check(void (*make)(m::scenario&, world*), unsigned workers = 1) {
  acts = {};
  m::check_scheduler(bounds, [=](m::scenario& s) { make(s, new world(s, workers)); });
  CHECK(acts[0] != 0);
  CHECK(acts[1] != 0);
}

}  // namespace

TEST_CASE("model: monitor, a goroutine that keeps the worker starts another", "[model]") {
  has_membarrier = GENERATE(false, true);
  check([](m::scenario&, world* w) {
    w->go([=] {
      w->until_monitor_tires(11);
      w->start_what_is_waited_for();
      w->until_it_happened();
    });
  });
}

TEST_CASE("model: monitor, a goroutine that keeps the worker sets a timer", "[model]") {
  has_membarrier = GENERATE(false, true);
  check([](m::scenario&, world* w) {
    w->go([=] {
      w->until_monitor_tires(11);
      (new late_start(w))->set();
      w->until_it_happened();
    });
  });
}

TEST_CASE("model: monitor, a thread starts a goroutine", "[model]") {
  check([](m::scenario& s, world* w) {
    w->go([=] { w->until_it_happened(); });
    s.thread([=] {
      w->until_monitor_tires(11);
      w->start_what_is_waited_for();
    });
  });
}

TEST_CASE("model: monitor, a thread sets a timer", "[model]") {
  check([](m::scenario& s, world* w) {
    w->go([=] { w->until_it_happened(); });
    s.thread([=] {
      w->until_monitor_tires(11);
      (new late_start(w))->set();
    });
  });
}

// Another that could be woken is there, so who wakes the one leaves the monitor alone.
TEST_CASE("model: monitor, a worker that slept runs what keeps it", "[model]") {
  check(
      [](m::scenario& s, world* w) {
        s.thread([=] {
          w->until_monitor_tires(10);
          w->go([=] {
            w->start_what_is_waited_for();
            w->until_it_happened();
          });
        });
      },
      2);
}

// Its thread rests, too, but looks after its timers, and does so only once all others rest.
TEST_CASE("model: monitor, a worker whose pinned goroutine waits has a timer", "[model]") {
  constexpr m::limits limits{
      .preemptions = 1, .delayed_stores = 0, .timeouts = 0, .timeouts_at_rest = 1};
  m::check(limits, [](m::scenario& s) {
    auto* w = new world(s);
    weft::chan<int> c(0);
    w->go([=] {
      (new late_start(w))->set();
      w->go([=] {
        w->until_it_happened();
        c.send(1);
      });
      const m::pin_here pin;
      c.recv();
    });
  });
}
