// A select that is woken while the commit of its wait is still at work: it must not go on with its
// cases, or return, before the commit is through with them (frame_stays in src/chan/select.cpp).
#include <atomic>
#include <chrono>
#include <cstddef>
#include <thread>

#include <weft/weft.hpp>

#include "park/park.hpp"
#include "support/catch.hpp"
#include "weft/detail/select.hpp"

using namespace std::chrono_literals;
using weft::detail::case_kind;
using weft::detail::claim_case;
using weft::detail::select_case_core;

namespace {

// Becomes ready while it is being armed, and takes its time to say so.
struct hasty_source final : weft::detail::case_source {
  bool is_ready(select_case_core&) override { return false; }
  void arm(select_case_core& c) override {
    weft::detail::waiter* owner = c.node.owner;
    if (!owner->word.claim(claim_case + c.node.index)) return;
    weft::detail::wake(owner);
    // Another worker runs it now.
    const auto until = std::chrono::steady_clock::now() + 20ms;
    while (std::chrono::steady_clock::now() < until && !gone_on) std::this_thread::yield();
    too_early = too_early || gone_on;
  }
  void disarm(select_case_core&) override { gone_on = true; }

  std::atomic<bool> gone_on = false;
  bool too_early = false;
};

}  // namespace

TEST_CASE("a select waits for its own commit before it touches its cases") {
  weft::run({.workers = 2}, [] {
    for (int i = 0; i < 10; ++i) {
      hasty_source source;
      select_case_core c;
      c.kind = case_kind::source;
      c.source = &source;
      select_case_core* cases[] = {&c};
      // Somebody keeps the other worker awake.
      std::atomic<bool> stop = false;
      auto awake = weft::spawn([&] {
        while (!stop) weft::yield();
      });
      const std::size_t chosen = weft::detail::select_among(cases, 1);
      stop = true;
      awake.wait();
      CHECK(chosen == 0);
      CHECK(source.gone_on);
      CHECK_FALSE(source.too_early);
    }
  });
}
