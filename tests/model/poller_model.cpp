// Waiting for descriptors (src/io/epoll_poller.cpp) beside a kernel of a few lines: nobody waits for
// what has come, and what is harvested of one file wakes nobody who waits for the next with its number.
#include <memory>
#include <system_error>

#include "io/epoll_poller.hpp"
#include "io/wait.hpp"
#include "model/check.hpp"
#include "model/kernel.hpp"
#include "model/runtime.hpp"
#include "weft/io.hpp"

namespace m = weft_model;
using weft::wait_status;

namespace {

constexpr int fd = 3;

struct world {
  m::kernel kernel;
  m::runtime* runtime = nullptr;
  explicit world(unsigned max_threads = 1) {
    kernel.open(fd);
    // The list of all pollers, a static, is given its value of before in each execution.
    runtime = new m::runtime(1, max_threads, weft::detail::make_poller());
  }
  void wait_for_new_file() {
    if (weft::wait_readable(fd) == wait_status::ready) {
      m::require(kernel.is_readable(fd), "an event of the file before");
    }
  }
  // As a file_descriptor's read that has found nothing: registered for edges from then on.
  void wait_for_edge() {
    const auto& side = weft::detail::poller_of(runtime->core()).entry_of(fd).reading;
    const weft::detail::owned_descriptor owned{users, true, side.events.load()};
    weft::detail::wait_descriptor(fd, false, {}, &owned);
  }
  m::atomic<std::uint32_t> users{0};
};

}  // namespace

TEST_CASE("model: poller, a wait and what it waits for", "[model]") {
  m::check_scheduler({.preemptions = 3, .timeouts = 0}, [](m::scenario& s) {
    auto* w = new world;
    w->runtime->go(
        [=] { m::require(weft::wait_readable(fd) == wait_status::ready, "nobody cancelled it"); });
    s.thread([=] { w->kernel.make_readable(fd); });
    s.at_end([=] { w->runtime->check_all_ended(); });
  });
}

TEST_CASE("model: poller, two wait for one descriptor", "[model]") {
  m::check({.preemptions = 2, .delayed_stores = 0, .timeouts = 0}, [](m::scenario& s) {
    auto* w = new world;
    w->runtime->go([] { weft::wait_readable(fd); });
    s.thread([] { weft::wait_readable(fd); });
    s.thread([=] { w->kernel.make_readable(fd); });
    s.at_end([=] { w->runtime->check_all_ended(); });
  });
}

TEST_CASE("model: poller, a number is closed and used again", "[model]") {
  m::check({.preemptions = 2, .delayed_stores = 0, .timeouts = 0}, [](m::scenario& s) {
    auto* w = new world;
    w->runtime->go([] {
      try {
        weft::wait_readable(fd);
      } catch (const std::system_error&) {  // between the close and the open
      }
    });
    s.thread([=] {
      w->kernel.make_readable(fd);  // so an event may be on its way
      weft::cancel_waits(fd);
      w->kernel.close(fd);
      w->kernel.open(fd);
      w->runtime->go([=] { w->kernel.make_readable(fd); });
      w->wait_for_new_file();
    });
    s.at_end([=] { w->runtime->check_all_ended(); });
  });
}

TEST_CASE("model: poller, a level wait beside edges gets none of before", "[model]") {
  m::check({.preemptions = 3, .delayed_stores = 0, .timeouts = 0}, [](m::scenario& s) {
    auto* w = new world;
    w->runtime->go([=] { w->wait_for_edge(); });
    s.thread([=] {
      w->kernel.make_readable(fd);  // so an event may be on its way
      w->kernel.read_all(fd);
      w->runtime->go([=] { w->kernel.make_readable(fd); });
      if (weft::wait_readable(fd) == wait_status::ready) {
        m::require(w->kernel.is_readable(fd), "an event of what has been read");
      }
    });
    s.at_end([=] { w->runtime->check_all_ended(); });
  });
}

TEST_CASE("model: poller, a level wait takes no edge from who waits for it", "[model]") {
  m::check({.preemptions = 3, .delayed_stores = 0, .timeouts = 0}, [](m::scenario& s) {
    auto* w = new world;
    w->runtime->go([=] { w->wait_for_edge(); });
    s.thread([=] { w->kernel.make_readable(fd); });
    s.thread([] { weft::wait_readable(fd); });
    s.at_end([=] { w->runtime->check_all_ended(); });
  });
}

TEST_CASE("model: poller, a wait is cancelled while its event comes", "[model]") {
  m::check_scheduler({.preemptions = 3, .timeouts = 0}, [](m::scenario& s) {
    auto* w = new world;
    w->runtime->go([] { weft::wait_readable(fd); });
    s.thread([=] { w->kernel.make_readable(fd); });
    s.thread([=] { weft::cancel_waits(fd); });
    s.at_end([=] { w->runtime->check_all_ended(); });
  });
}

// Nobody polls then but a stand-in, for which the monitor has to be awake: see monitor_model.cpp.
TEST_CASE("model: poller, a thread waits while the worker is kept and the monitor tires",
          "[model]") {
  m::check_scheduler({.preemptions = 1, .timeouts = 0}, [](m::scenario& s) {
    auto* w = new world(2);
    auto* over = new m::atomic<bool>(false);
    s.thread([=] { w->runtime->core().monitor_until(*over); });
    w->runtime->go([=] {
      while (!over->load()) m::spin();
    });
    s.thread([=] {
      m::until_monitor_tires(11);
      weft::wait_readable(fd);
      over->store(true);
      w->runtime->core().wake_monitor();
    });
    s.thread([=] {
      m::until_monitor_tires(11);
      w->kernel.make_readable(fd);
    });
    s.at_end([=] { w->runtime->check_all_ended(); });
  });
}
