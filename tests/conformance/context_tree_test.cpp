// Trees of contexts: deep, wide, and changing while they are cancelled.
#include "collect.hpp"
#include "left_over.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::background;
using weft::context;
using weft::context_error;
using weft::with_cancel;
using weft::with_timeout;
using weft::with_value;

namespace {
static const weft::key<std::size_t> level;
using pair = std::pair<context, weft::cancel_function>;
}  // namespace

TEST_CASE("a deep tree neither overflows the stack at a cancel nor when it goes", "[context][tree]") {
  const std::size_t depth = weft_test::scaled(100000);
  weft::run([=] {
    SECTION("cancelled from above") {
      std::vector<pair> chain;
      chain.push_back(with_cancel(background()));
      for (std::size_t i = 1; i < depth; ++i) chain.push_back(with_cancel(chain.back().first));
      auto last = chain.back().first.done();
      chain.front().second();
      CHECK_FALSE(last.recv());
      for (auto& [ctx, cancel] : chain) {
        if (ctx.err() != context_error::cancelled) FAIL("not cancelled");
      }
    }
    SECTION("by a deadline, on a worker's own stack") {
      std::vector<pair> chain;
      chain.push_back(with_timeout(background(), 1h));
      for (std::size_t i = 1; i < depth; ++i) chain.push_back(with_cancel(chain.back().first));
      auto token = chain.back().first.stop_token();
      auto [soon, cancel_soon] = with_timeout(chain.back().first, 1ms);
      soon.done().recv();
      CHECK(chain.back().first.err() == context_error::none);
      auto [top, cancel_top] = with_timeout(background(), 20ms);
      std::vector<pair> below;
      below.push_back(with_cancel(top));
      for (std::size_t i = 1; i < depth; ++i) below.push_back(with_cancel(below.back().first));
      CHECK_FALSE(below.back().first.done().recv());
      CHECK(below.back().first.err() == context_error::deadline_exceeded);
    }
    SECTION("only the last handle is left") {
      // Every cancel_function goes, from the newest to the oldest, but for the values' chain.
      context ctx = background();
      for (std::size_t i = 0; i < depth; ++i) ctx = with_value(ctx, level, i);
      CHECK(*ctx.value(level) == depth - 1);
      ctx = {};
      std::vector<pair> chain;
      chain.push_back(with_cancel(background()));
      for (std::size_t i = 1; i < depth; ++i) {
        chain.push_back(with_cancel(with_value(chain.back().first, level, i)));
      }
      context last = chain.back().first;
      chain.clear();
      CHECK(last.err() == context_error::cancelled);
      last = {};  // frees the whole chain
    }
  });
}

TEST_CASE("a wide tree: 100,000 children", "[context][tree]") {
  const std::size_t width = weft_test::scaled(100000);
  weft::run([=] {
    auto [parent, cancel] = with_cancel(background());
    std::vector<pair> children;
    for (std::size_t i = 0; i < width; ++i) children.push_back(with_cancel(parent));
    // They go in any order: each unlinks by itself.
    for (std::size_t i = 0; i < width; i += 2) children[i].second();
    for (std::size_t i = 1; i < width; i += 4) children[i] = {};
    auto done = children.back().first.done();
    cancel();
    for (std::size_t i = 3; i < width; i += 4) {
      if (children[i].first.err() != context_error::cancelled) FAIL("not cancelled");
    }
    CHECK(weft::num_goroutines() == 1);
  });
}

TEST_CASE("children that come and go leave nothing at their parent", "[context][tree]") {
  // Each costs the same: with a list to search, or one that only grows, this would take for ever.
  const std::size_t count = weft_test::scaled(300000);
  auto [parent, cancel] = with_cancel(background());
  std::vector<pair> held;
  for (std::size_t i = 0; i < 1000; ++i) held.push_back(with_cancel(parent));
  for (std::size_t i = 0; i < count; ++i) {
    auto [child, cancel_child] = with_cancel(parent);
    cancel_child();
  }
  SUCCEED();
}

TEST_CASE("a child made while its parent is cancelled is cancelled", "[context][tree]") {
  const std::size_t rounds = weft_test::scaled(2000);
  std::atomic<int> wrong = 0;
  weft::run([&] {
    for (std::size_t i = 0; i < rounds; ++i) {
      auto made = std::make_shared<pair>(with_cancel(background()));
      weft::wait_group group;
      for (int g = 0; g < 3; ++g) {
        group.go([&wrong, made, g] {
          std::vector<pair> mine;
          context at = made->first;
          while (made->first.err() == context_error::none) {
            mine.push_back(g == 0 ? with_cancel(at) : with_timeout(at, 1h));
            if (g == 1) at = mine.back().first;
            weft::yield();
          }
          mine.push_back(with_cancel(at));
          made->first.done().recv();
          // The cancel may not have returned yet: ask it, by another, to be through.
          made->second();
          for (auto& [ctx, cancel] : mine) {
            if (ctx.err() != context_error::cancelled) ++wrong;
          }
        });
      }
      if (i % 4 != 0) weft::yield();
      made->second();
      group.wait();
    }
    weft_test::until_nothing_is_left();
  });
  CHECK(wrong == 0);
}

TEST_CASE("two cancels that meet in a tree: each returns only when all below it is done",
          "[context][tree]") {
  const std::size_t rounds = weft_test::scaled(1000);
  std::atomic<int> wrong = 0;
  weft::run([&] {
    for (std::size_t i = 0; i < rounds; ++i) {
      std::vector<pair> nodes;
      nodes.push_back(with_cancel(background()));
      for (std::size_t n = 1; n < 60; ++n) {
        nodes.push_back(with_cancel(nodes[n % 3 == 0 ? n - 1 : n / 2].first));
        if (n % 5 == 0) (void)nodes.back().first.done();
      }
      std::vector<std::size_t> parent_of(60);
      for (std::size_t n = 1; n < 60; ++n) parent_of[n] = n % 3 == 0 ? n - 1 : n / 2;
      auto is_below = [&](std::size_t n, std::size_t top) {
        while (n > top) n = parent_of[n];
        return n == top;
      };
      weft::wait_group group;
      for (std::size_t top : {0u, 1u, 2u, 4u, 7u}) {
        group.go([&, top] {
          nodes[top].second();
          for (std::size_t n = 0; n < 60; ++n) {
            if (!is_below(n, top)) continue;
            if (nodes[n].first.err() != context_error::cancelled || !nodes[n].first.done().closed()) {
              ++wrong;
            }
          }
        });
      }
      group.wait();
    }
  });
  CHECK(wrong == 0);
}

TEST_CASE("a cancel racing with the deadline: one of them, and nothing is left", "[context][tree]") {
  const std::size_t rounds = weft_test::scaled(2000);
  std::atomic<int> wrong = 0;
  std::atomic<int> exceeded = 0;
  weft::run([&] {
    weft::wait_group group;
    for (int g = 0; g < 4; ++g) {
      group.go([&] {
        for (std::size_t i = 0; i < rounds; ++i) {
          auto [ctx, cancel] = with_timeout(with_value(background(), level, i),
                                            std::chrono::microseconds(i % 120));
          auto [child, cancel_child] = with_cancel(ctx);
          std::stop_token token;
          if (i % 3 == 0) token = child.stop_token();
          weft::sleep_for(std::chrono::microseconds((i * 7) % 120));
          cancel();
          const context_error first = ctx.err();
          if (first == context_error::none) ++wrong;
          if (child.err() != first) ++wrong;
          if (first == context_error::deadline_exceeded) ++exceeded;
          if (!ctx.done().closed() || !child.done().closed()) ++wrong;
        }
      });
    }
    group.wait();
    weft_test::until_nothing_is_left();
  });
  CHECK(wrong == 0);
  CHECK(exceeded > 0);
}

TEST_CASE("the last handles go while the deadline passes; values are destroyed in goroutines",
          "[context][tree]") {
  const std::size_t rounds = weft_test::scaled(2000);
  struct value {
    std::atomic<int>* outside;
    std::atomic<int>* destroyed;
    value(std::atomic<int>* o, std::atomic<int>* d) : outside(o), destroyed(d) {}
    value(value&& other) noexcept
        : outside(other.outside), destroyed(std::exchange(other.destroyed, nullptr)) {}
    ~value() {
      if (destroyed == nullptr) return;
      if (!weft::this_goroutine::inside()) ++*outside;
      ++*destroyed;
    }
  };
  static const weft::key<value> key;
  std::atomic<int> outside = 0;
  std::atomic<int> destroyed = 0;
  weft::run([&] {
    for (std::size_t i = 0; i < rounds; ++i) {
      auto [ctx, cancel] = with_timeout(with_value(background(), key, value(&outside, &destroyed)),
                                        std::chrono::microseconds(i % 60));
      weft::sleep_for(std::chrono::microseconds((i * 3) % 90));
    }
    weft_test::until_nothing_is_left();
  });
  CHECK(destroyed == int(rounds));
  CHECK(outside == 0);
}
