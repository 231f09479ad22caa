// The monitor rests while goroutines keep their threads and nothing waits, and hears of what they do
// then: each of these hangs if it does not. See src/sched/monitor.cpp.
#include <sched.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <weft/weft.hpp>

#include "conformance/coroutines.hpp"
#include "runtime/runtime.hpp"
#include "sched/core.hpp"
#include "support/catch.hpp"
#include "support/plain_pipe.hpp"

using namespace std::chrono_literals;
using weft_test::plain_pipe;

namespace {

void until(const std::function<bool()>& condition) {
  while (!condition()) sched_yield();
}

// Keeps the thread of the goroutine that calls it, in one way or another.
class keeper {
 public:
  explicit keeper(bool computes) : computes_(computes) {}
  ~keeper() {
    until([&] { return users_ == 0; });  // who has been released may not have returned yet
  }
  void keep() {
    ++users_;
    kept_ = true;
    if (!computes_) {
      gate_.block();
    } else {
      while (!released_) {
      }
    }
    --users_;
  }
  void release() {
    ++users_;
    released_ = true;
    gate_.release();
    --users_;
  }
  bool is_kept() const { return kept_; }

 private:
  const bool computes_;
  plain_pipe gate_;
  std::atomic<bool> kept_ = false;
  std::atomic<bool> released_ = false;
  std::atomic<int> users_ = 0;
};

// Of the default runtime.
std::vector<std::unique_ptr<keeper>> keep_all_workers() {
  std::vector<std::unique_ptr<keeper>> keepers;
  for (unsigned i = 0; i < weft::workers(); ++i) {
    keepers.push_back(std::make_unique<keeper>(false));
    weft::go([k = keepers.back().get()] { k->keep(); });
    until([&] { return keepers.back()->is_kept(); });
  }
  return keepers;
}

weft_test::eager wait_for(int fd) { co_await weft::async_wait_readable(fd); }

}  // namespace

TEST_CASE("who was kept while the monitor rested starts another and is kept again") {
  const unsigned workers = GENERATE(1u, 2u, 4u);
  const bool computes = GENERATE(false, true);
  const bool pinned = GENERATE(false, true);
  const std::string what = GENERATE("a goroutine", "a timer", "two goroutines, by a yield");
  CAPTURE(workers, computes, pinned, what);
  weft::run({.workers = workers}, [&] {
    auto& core = weft::detail::current_core();
    keeper first(computes);
    keeper second(computes);
    weft::wait_group group;
    group.go([&] {
      std::optional<weft::pinned> pin;
      if (pinned) pin.emplace();
      first.keep();
      const auto release = [&] { second.release(); };
      if (what == "a goroutine") {
        group.go(release);
      } else if (what == "a timer") {
        weft::after_func(1ms, release);
      } else {
        group.go([&] { group.go(release); });
        weft::yield();
      }
      second.keep();
    });
    std::thread outside([&] {
      until([&] { return first.is_kept() && core.monitor_rests(); });
      first.release();
    });
    group.wait();
    outside.join();
  });
}

TEST_CASE("while all workers are kept and the monitor rests a thread starts a goroutine") {
  weft::detail::default_core();  // its workers are not kept: it has nothing to do with this
  const unsigned workers = GENERATE(1u, 2u);
  CAPTURE(workers);
  std::vector<std::unique_ptr<keeper>> keepers;
  std::atomic<bool> ran = false;
  {
    weft::runtime r({.workers = workers});
    auto& core = *r.run([] { return &weft::detail::current_core(); });
    for (unsigned i = 0; i < workers; ++i) {
      keepers.push_back(std::make_unique<keeper>(false));
      r.go([k = keepers.back().get()] { k->keep(); });
      until([&] { return keepers.back()->is_kept(); });
    }
    until([&] { return core.monitor_rests(); });
    r.go([&] { ran = true; });
    until([&] { return ran.load(); });
    for (auto& k : keepers) k->release();
  }
  CHECK(ran);
}

TEST_CASE("while all workers are kept and the monitor rests a thread sets a timer") {
  auto& core = weft::detail::default_core();
  const auto keepers = keep_all_workers();
  until([&] { return core.monitor_rests(); });
  std::atomic<bool> fired = false;
  weft::after_func(1ms, [&] { fired = true; });
  until([&] { return fired.load(); });
  for (auto& k : keepers) k->release();
}

TEST_CASE("while all workers are kept and the monitor rests a thread waits for a descriptor") {
  const std::string what = GENERATE("a wait", "a select", "a coroutine");
  CAPTURE(what);
  auto& core = weft::detail::default_core();
  const auto keepers = keep_all_workers();
  plain_pipe pipe;
  until([&] { return core.monitor_rests(); });
  std::thread outside([&] {
    if (what == "a wait") {
      weft::wait_readable(pipe.ends[0]);
    } else if (what == "a select") {
      weft::select(weft::on_readable(pipe.ends[0]));
    } else {
      const weft_test::eager waits = wait_for(pipe.ends[0]);
      until([&] { return waits.done(); });
    }
  });
  until([&] { return core.descriptors()->waiting() != 0; });
  pipe.release();
  outside.join();
  for (auto& k : keepers) k->release();
}

// Its thread rests, too, since others run what stands in its queue; but it looks after its timers.
TEST_CASE(
    "while all workers are kept and the monitor rests a pinned goroutine's worker has a timer") {
  const bool sleeps = GENERATE(true, false);
  CAPTURE(sleeps);
  weft::run({.workers = 1}, [&] {
    keeper other(false);
    weft::chan<void> woken;
    weft::wait_group group;
    // Late enough that the monitor rests by then, or the case shows nothing.
    const auto late = 500ms;
    std::atomic<bool> fired = false;
    const auto fire = [&] {
      fired = true;
      woken.send();
    };
    if (sleeps) {
      group.go([&] {
        weft::sleep_for(late);
        fire();
      });
    } else {
      weft::after_func(late, fire);
    }
    while (weft::stats().timers == 0 && !fired) weft::yield();
    {
      const weft::pinned here;
      group.go([&] { other.keep(); });
      woken.recv();
    }
    other.release();
    group.wait();
  });
}
