// Contexts and task groups under many at once: every child is reached, every function runs or is
// stopped, nothing is left behind.
#include "stress/chance.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

TEST_CASE("contexts: children come and go while their parents end", "[stress][context]") {
  const std::uint64_t seed = weft_test::first_seed();
  CAPTURE(seed);
  const int rounds = weft_test::scaled(200);
  std::atomic<int> not_reached = 0;
  std::atomic<int> started = 0;
  std::atomic<int> stopped = 0;
  std::atomic<int> asked = 0;
  weft::run([&] {
    weft_test::chance pick(seed);
    for (int round = 0; round < rounds; ++round) {
      auto [root, cancel_root] = weft::with_cancel(weft::background());
      weft::wait_group all;
      std::vector<weft::context> leaves(8, root);
      for (std::size_t g = 0; g < leaves.size(); ++g) {
        all.go([&, g, root = root, mine = weft_test::chance(pick.next())]() mutable {
          std::vector<weft::cancel_function> kept;
          weft::context at = root;
          for (int depth = 0; depth < 6; ++depth) {
            auto [child, cancel] = mine.one_in(3)
                                       ? weft::with_timeout(at, std::chrono::microseconds(mine.below(300)))
                                       : weft::with_cancel(at);
            weft::stop_function stop = weft::after_func(child, [&started] { ++started; });
            ++asked;
            if (mine.one_in(4) && stop()) ++stopped;
            if (mine.one_in(5)) cancel();
            if (mine.one_in(2)) at = child;
            kept.push_back(std::move(cancel));
          }
          weft::select(weft::on_done(root), weft::on_timeout(std::chrono::microseconds(mine.below(200))));
          leaves[g] = at;
        });
      }
      if (pick.one_in(2)) weft::sleep_for(std::chrono::microseconds(pick.below(200)));
      cancel_root();
      all.wait();
      for (const weft::context& leaf : leaves) {
        if (leaf.err() == weft::context_error::none) ++not_reached;
      }
    }
    while (weft::num_goroutines() > 1) weft::yield();
    while (weft::stats().timers != 0) weft::yield();  // one that fires counts until all it wakes are woken
  });
  CHECK(not_reached == 0);
  CHECK(started + stopped == asked);
}

TEST_CASE("task groups: the first exception ends the others, whoever throws", "[stress][task_group]") {
  const std::uint64_t seed = weft_test::first_seed();
  CAPTURE(seed);
  const int rounds = weft_test::scaled(300);
  int thrown = 0;
  weft::run([&] {
    weft_test::chance pick(seed);
    for (int round = 0; round < rounds; ++round) {
      weft::task_group group;
      std::atomic<int> running = 0;
      std::atomic<int> too_many = 0;
      group.set_limit(3);
      const int bad = pick.below(12);
      for (int i = 0; i < 10; ++i) {
        group.go([&, i, ctx = group.ctx()] {
          if (++running > 3) ++too_many;
          if (i == bad) {
            --running;
            throw std::runtime_error("bad");
          }
          weft::select(weft::on_done(ctx), weft::on_timeout(50us));
          --running;
        });
      }
      try {
        group.wait();
        REQUIRE(bad >= 10);
      } catch (const std::runtime_error&) {
        ++thrown;
        REQUIRE(bad < 10);
      }
      REQUIRE(too_many == 0);
    }
  });
  CHECK(thrown > 0);
}
