// Timers (src/sched/timer_wheel.*, src/time/timer.cpp) against who stops, resets and destroys them,
// and against a partner that claims a sleeper at the same time. Plain threads; the wheel is the
// model's own, and whoever expires it does as a worker would.
#include <chrono>
#include <memory>
#include <optional>

#include "base/futex.hpp"
#include "model/check.hpp"
#include "sched/timer_wheel.hpp"
#include "model/stub_timers.hpp"
#include "weft/time.hpp"

namespace m = weft_model;
using namespace weft::detail;
using namespace std::chrono_literals;
using weft::chan_status;
using weft_model::the_wheel;

namespace {

constexpr std::int64_t hour = 3'600'000'000'000;  // the model's clock stands at one
constexpr std::int64_t tick = 1 << 12;            // deadlines are rounded up to it
constexpr std::int64_t first = 2 * hour + tick;   // what is set for an hour is due
constexpr std::int64_t second = 4 * hour + tick;  // what is set for three hours is due, too

struct world {
  timer_wheel wheel;
  world() { the_wheel = &wheel; }
};

bool take_tick(const weft::recv_chan<weft::clock::time_point>& c) {
  std::optional<weft::clock::time_point> tick;
  return c.try_recv(tick) == chan_status::ok;
}

// A wait with a limit, as park_goroutine makes one; in memory that is freed once it has returned.
struct limited_wait {
  waiter who;
  timer_node node;
  explicit limited_wait(std::int64_t at) {
    who.kind = waiter_kind::thread;
    node.at = at;
    node.sleeper = &who;
    the_wheel->add(node);  // opens the word
  }
  std::uint32_t wait() {
    while (who.ready.load(std::memory_order_acquire) == 0) futex_wait(who.ready, 0);
    const std::uint32_t won = who.word.close();
    timer_wheel::remove(node);
    return won;
  }
};

}  // namespace

TEST_CASE("model: wheel, a wait's limit passes while a partner claims it", "[model]") {
  struct state : world {
    limited_wait* wait = new limited_wait(2 * hour);
    spin_lock lock;  // of what is waited for
    bool linked = true;
    bool partner_won = false;
  };
  m::check({.preemptions = 3}, [](m::scenario& s) {
    auto w = std::make_shared<state>();
    waiter* who = &w->wait->who;
    s.thread([=] {
      const std::uint32_t won = w->wait->wait();
      w->lock.lock();
      w->linked = false;
      w->lock.unlock();
      m::require(won == (w->partner_won ? std::uint32_t{claim_case} : std::uint32_t{claim_timeout}),
                 "the other claim was seen");
      delete w->wait;
    });
    s.thread([=] {
      w->lock.lock();
      w->partner_won = w->linked && who->word.claim(claim_case);
      const bool won = w->partner_won;
      w->lock.unlock();
      if (won) wake(who);
    });
    s.thread([=] { w->wheel.expire(first); });
    s.at_end([=] { m::require(w->wheel.size() == 0, "left in the wheel"); });
  });
}

TEST_CASE("model: wheel, two expire it at once", "[model]") {
  struct state : world {
    limited_wait* wait = new limited_wait(2 * hour);
    timer_node other;
    int fired = 0;
  };
  m::check({.preemptions = 3}, [](m::scenario& s) {
    auto w = std::make_shared<state>();
    w->other.at = 2 * hour;
    static int* fired = nullptr;
    fired = &w->fired;
    w->other.fire = [](timer_node* n) {
      m::require(n->home.load(std::memory_order_relaxed) == nullptr, "fires in the wheel");
      ++*fired;
    };
    w->wheel.add(w->other);
    s.thread([=] {
      m::require(w->wait->wait() == claim_timeout, "nobody else could claim it");
      delete w->wait;
    });
    s.thread([=] { w->wheel.expire(first); });
    s.thread([=] { w->wheel.try_expire(first); });
    s.at_end([=] {
      m::require(w->fired == 1, "fired twice, or never");
      m::require(w->wheel.size() == 0, "left in the wheel");
    });
  });
}

TEST_CASE("model: timer, after stop there is no tick", "[model]") {
  struct state : world {
    weft::timer timer{1h};
  };
  m::check({.preemptions = 3, .timeouts = 0}, [](m::scenario& s) {
    auto w = std::make_shared<state>();
    s.thread([=] {
      m::require(w->timer.stop(), "its tick was not received");
      m::require(!take_tick(w->timer.channel()), "a stale tick");
    });
    s.thread([=] { w->wheel.expire(first); });
    s.at_end([=] {
      m::require(!take_tick(w->timer.channel()), "a stale tick, later");
      m::require(w->wheel.size() == 0, "left in the wheel");
    });
  });
}

TEST_CASE("model: timer, a receiver and who stops it agree on the tick", "[model]") {
  struct state : world {
    weft::timer timer{1h};
    bool stopped = false;
    bool received = false;
  };
  m::check({.preemptions = 3, .timeouts = 0}, [](m::scenario& s) {
    auto w = std::make_shared<state>();
    s.thread([=] { w->stopped = w->timer.stop(); });
    s.thread([=] { w->received = take_tick(w->timer.channel()); });
    s.thread([=] { w->wheel.expire(first); });
    s.at_end([=] {
      m::require(w->stopped != w->received, "the tick was received and taken away, or neither");
    });
  });
}

TEST_CASE("model: timer, after reset no tick of before", "[model]") {
  struct state : world {
    weft::timer timer{1h};
  };
  m::check({.preemptions = 3, .timeouts = 0}, [](m::scenario& s) {
    auto w = std::make_shared<state>();
    s.thread([=] {
      m::require(w->timer.reset(3h), "its tick was not received");
      m::require(!take_tick(w->timer.channel()), "a stale tick");
      w->wheel.expire(second);
      m::require(take_tick(w->timer.channel()), "it did not fire");
      m::require(!take_tick(w->timer.channel()), "two ticks");
    });
    s.thread([=] { w->wheel.expire(first); });
    s.at_end([=] {
      m::require(!take_tick(w->timer.channel()), "a tick too many");
      m::require(w->wheel.size() == 0, "left in the wheel");
    });
  });
}

TEST_CASE("model: timer, two stop and reset it at once while it fires", "[model]") {
  struct state : world {
    weft::timer timer{1h};
    int true_for = 0;
  };
  const bool both_reset = GENERATE(false, true);
  m::check({.preemptions = 2, .timeouts = 0}, [=](m::scenario& s) {
    auto w = std::make_shared<state>();
    for (int i = 0; i < 2; ++i) {
      s.thread([=] {
        if (both_reset || i == 0) {
          w->timer.reset(3h);
        } else {
          w->timer.stop();
        }
      });
    }
    s.thread([=] { w->wheel.expire(first); });
    s.at_end([=] {
      const bool early = take_tick(w->timer.channel());
      m::require(!early, "a stale tick");
      const std::size_t set = w->wheel.size();
      m::require(set <= 1 && (set == 1 || !both_reset), "in the wheel twice, or not at all");
      w->wheel.expire(second);
      m::require(take_tick(w->timer.channel()) == (set == 1), "fires unless the stop came last");
    });
  });
}

TEST_CASE("model: timer, destroyed while it fires", "[model]") {
  struct state : world {
    std::optional<weft::timer> timer{std::in_place, 1h};
    weft::recv_chan<weft::clock::time_point> channel = timer->channel();
  };
  m::check({.preemptions = 3, .timeouts = 0}, [](m::scenario& s) {
    auto w = std::make_shared<state>();
    s.thread([=] {
      w->timer.reset();
      m::require(!take_tick(w->channel), "a stale tick");
    });
    s.thread([=] { w->wheel.expire(first); });
    s.at_end([=] {
      m::require(!take_tick(w->channel), "a stale tick, later");
      m::require(w->wheel.size() == 0, "left in the wheel");
    });
  });
}

TEST_CASE("model: ticker, after stop there is no tick and it is not set again", "[model]") {
  struct state : world {
    weft::ticker ticker{1h};
  };
  const bool reset = GENERATE(false, true);
  m::check({.preemptions = 3, .timeouts = 0}, [=](m::scenario& s) {
    auto w = std::make_shared<state>();
    s.thread([=] {
      if (reset) {
        w->ticker.reset(3h);
      } else {
        w->ticker.stop();
      }
      m::require(!take_tick(w->ticker.channel()), "a stale tick");
    });
    s.thread([=] { w->wheel.expire(first); });
    s.at_end([=] {
      m::require(!take_tick(w->ticker.channel()), "a stale tick, later");
      m::require(w->wheel.size() == (reset ? 1 : 0), "set again, or not");
      w->wheel.expire(first);
      m::require(!take_tick(w->ticker.channel()), "set for the old time");
    });
  });
}

TEST_CASE("model: ticker, fires again and again while its tick is received", "[model]") {
  struct state : world {
    weft::ticker ticker{1h};
    int received = 0;
  };
  m::check({.preemptions = 2, .timeouts = 0}, [](m::scenario& s) {
    auto w = std::make_shared<state>();
    s.thread([=] {
      for (int i = 0; i < 2; ++i) w->received += take_tick(w->ticker.channel()) ? 1 : 0;
    });
    s.thread([=] {
      w->wheel.expire(first);
      w->wheel.expire(second);
    });
    s.at_end([=] {
      w->received += take_tick(w->ticker.channel()) ? 1 : 0;
      m::require(w->received == 1 || w->received == 2, "a tick out of nowhere, or none at all");
    });
  });
}
