// The explorer itself: it finds what is wrong, and nothing else.
#include "model/explorer.hpp"
#include "model/arena.hpp"
#include "support/catch.hpp"

#include <array>
#include <memory>
#include <random>
#include <set>

namespace m = weft_model;

namespace {

struct two_flags {
  m::atomic<int> a{0};
  m::atomic<int> b{0};
  int saw_a = -1;
  int saw_b = -1;
};

// Each stores its flag and looks at the other's; not both may miss the other.
template <class Fence1, class Fence2>
m::outcome dekker(const m::limits& l, Fence1 one, Fence2 two) {
  return m::explore(l, [&](m::scenario& s) {
    auto state = std::make_shared<two_flags>();
    s.thread([=] {
      state->a.store(1, std::memory_order_relaxed);
      one();
      state->saw_b = state->b.load(std::memory_order_relaxed);
    });
    s.thread([=] {
      state->b.store(1, std::memory_order_relaxed);
      two();
      state->saw_a = state->a.load(std::memory_order_relaxed);
    });
    s.at_end([=] { m::require(state->saw_a == 1 || state->saw_b == 1, "both missed"); });
  });
}

void nothing() {}

}  // namespace

TEST_CASE("model: without store buffers Dekker's pattern needs no fence", "[model]") {
  const auto r = dekker({.preemptions = 4, .delayed_stores = 0}, nothing, nothing);
  CHECK(r.complete);
  CHECK(r.failure == "");
  CHECK(r.executions >= 6);
}

TEST_CASE("model: with store buffers it does", "[model]") {
  CHECK(dekker({.delayed_stores = 1}, nothing, nothing).failure == "both missed");
  CHECK(dekker({.delayed_stores = 1}, m::full_fence, nothing).failure == "both missed");
  const auto fenced = dekker({.preemptions = 4, .delayed_stores = 2}, m::full_fence, m::full_fence);
  CHECK(fenced.complete);
  CHECK(fenced.failure == "");
}

TEST_CASE("model: a heavy barrier fences for both", "[model]") {
  const auto r = dekker({.preemptions = 4, .delayed_stores = 2}, nothing, m::heavy_barrier);
  CHECK(r.complete);
  CHECK(r.failure == "");
}

TEST_CASE("model: a wake that comes between the look and the sleep is lost", "[model]") {
  const auto look_then_sleep = [](bool in_one_step) {
    return m::explore({}, [=](m::scenario& s) {
      auto word = std::make_shared<m::atomic<std::uint32_t>>(0);
      s.thread([=] {
        std::uint32_t seen = 0;
        if (in_one_step) {
          if (!word->compare_exchange_strong(seen, 2)) return;
        } else {
          if (word->load() != 0) return;
          word->store(2);
        }
        word->futex_wait(2);
      });
      s.thread([=] {
        if (word->exchange(1) == 2) m::atomic<std::uint32_t>::futex_wake(word.get());
      });
    });
  };
  CHECK(look_then_sleep(true).failure == "");
  CHECK(look_then_sleep(false).failure == "nobody can go on");
}

TEST_CASE("model: waiting in a loop ends when something is written", "[model]") {
  const auto r = m::explore({.preemptions = 3}, [](m::scenario& s) {
    struct state {
      m::atomic<bool> ready{false};
      int value = 0;
    };
    auto w = std::make_shared<state>();
    s.thread([=] {
      while (!w->ready.load(std::memory_order_acquire)) m::spin();
      m::require(w->value == 1, "not there yet");
    });
    s.thread([=] {
      w->value = 1;
      w->ready.store(true, std::memory_order_release);
    });
  });
  CHECK(r.complete);
  CHECK(r.failure == "");
}

TEST_CASE("model: who waits and times out may go on before the others do", "[model]") {
  bool came_between = false;
  const m::limits bounds{.preemptions = 1, .delayed_stores = 0, .timeouts = 1};
  const auto r = m::explore(bounds, [&](m::scenario& s) {
    struct state {
      m::atomic<std::uint32_t> word{0};
      m::atomic<int> a{0};
      m::atomic<int> b{0};
    };
    auto w = std::make_shared<state>();
    s.thread([=, &came_between] {
      w->word.futex_wait(0, true);
      const bool before_a = w->a.load() == 0;
      if (before_a && w->b.load() == 1) came_between = true;
    });
    s.thread([=] {
      w->a.store(1);
      w->b.store(1);
    });
  });
  CHECK(r.failure == "");
  CHECK(r.complete);
  CHECK(came_between);
}

TEST_CASE("model: an update in two steps loses one of two", "[model]") {
  const auto count = [](bool atomically) {
    return m::explore({}, [=](m::scenario& s) {
      auto n = std::make_shared<m::atomic<int>>(0);
      for (int i = 0; i < 2; ++i) {
        s.thread([=] {
          if (atomically) {
            n->fetch_add(1);
          } else {
            n->store(n->load() + 1);
          }
        });
      }
      s.at_end([=] { m::require(n->load() == 2, "lost one"); });
    });
  };
  CHECK(count(true).failure == "");
  const auto broken = count(false);
  CHECK(broken.failure == "lost one");
  CHECK_FALSE(broken.trace.empty());
}

TEST_CASE("model: memory orders that are too weak show as data races", "[model]") {
  const auto pass_on = [](std::memory_order store, std::memory_order load, bool fenced) {
    return m::explore({.preemptions = 3}, [=](m::scenario& s) {
      struct state {
        m::atomic<int> ready{0};
        int value = 0;
      };
      auto w = std::make_shared<state>();
      s.thread([=] {
        m::plain_access(&w->value);
        if (fenced) m::full_fence();
        w->ready.store(1, store);
      });
      s.thread([=] {
        if (w->ready.load(load) == 0) return;
        if (fenced) m::full_fence();
        m::plain_access(&w->value);
      });
    });
  };
  using enum std::memory_order;
  CHECK(pass_on(release, acquire, false).failure == "");
  CHECK(pass_on(relaxed, acquire, false).failure == "a data race");
  CHECK(pass_on(release, relaxed, false).failure == "a data race");
  CHECK(pass_on(relaxed, relaxed, true).failure == "");
}

namespace {

// Three threads on three words, whatever a seed makes of it: how it can come out. `waits`: they wait for each
// other, too, and may give up.
using result = std::array<int, 12>;
using results = std::set<result, std::less<>, m::heap<result>>;
results results_of(unsigned seed, bool waits, bool reduce) {
  results all;
  struct state {
    m::atomic<int> words[3];
    m::atomic<bool> gate{false};
    result seen{};
  };
  m::limits bounds{.preemptions = 2, .delayed_stores = 1, .timeouts = 0};
  if (waits) bounds = {.preemptions = 1, .delayed_stores = 0, .timeouts = 1};
  bounds.reduce = reduce;
  const auto r = m::explore(bounds, [&](m::scenario& s) {
    auto w = std::make_shared<state>();
    std::mt19937 random(seed);
    for (unsigned t = 0; t < 3; ++t) {
      const auto program = std::array{random(), random(), random(), random()};
      s.thread([=] {
        for (unsigned i = 0; i < 3; ++i) {
          if (t == 1 && i == program[3] % 6) {
            while (!w->gate.load()) m::spin();
          }
          auto& word = w->words[program[i] % 3];
          const int value = static_cast<int>(10 * t + i + 1);
          int& seen = w->seen[3 * t + i];
          switch (program[i] / 3 % (waits ? 8 : 6)) {
            case 0: word.store(value, std::memory_order_release); break;
            case 1: word.store(value); break;
            case 2: seen = word.fetch_add(100); break;
            case 3: word.compare_exchange_strong(seen, value); break;
            case 4: m::full_fence(); [[fallthrough]];
            case 5: seen = word.load(std::memory_order_acquire); break;
            case 6: {
              const int now = word.load();
              seen = 1000 + 10 * now + (word.futex_wait(now, true) ? 1 : 0);
              break;
            }
            default: m::atomic<int>::futex_wake(&word);
          }
        }
        if (t == 0) w->gate.store(true);
      });
    }
    s.at_end([&, w] {
      for (unsigned i = 0; i < 3; ++i) w->seen[9 + i] = w->words[i].load();
      all.insert(w->seen);
    });
  });
  REQUIRE(r.failure == "");
  REQUIRE(r.complete);
  return all;
}

}  // namespace

TEST_CASE("model: what makes the search fast leaves no result out", "[model]") {
  for (unsigned seed = 0; seed < 60; ++seed) {
    CAPTURE(seed);
    for (const bool waits : {false, true}) {
      CAPTURE(waits);
      const results all = results_of(seed, waits, false);
      CHECK(all.size() >= 1);
      CHECK((results_of(seed, waits, true) == all));
    }
  }
}
