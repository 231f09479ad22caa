// The timer wheel against a std::multimap, over all its levels, and under threads.
#include "sched/timer_wheel.hpp"

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "base/futex.hpp"
#include "stress/chance.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

using namespace weft::detail;

namespace {

constexpr std::int64_t tick = 1 << 12;
constexpr std::int64_t year = std::int64_t{365} * 24 * 3600 * 1'000'000'000;

std::int64_t rounded_up(std::int64_t at) {
  return std::int64_t((std::uint64_t(at) + tick - 1) / tick * tick);
}

// Counts how often it has fired.
struct counting_node : timer_node {
  explicit counting_node(std::int64_t deadline = 0) {
    at = deadline;
    fire = [](timer_node* n) { ++static_cast<counting_node*>(n)->fired; };
  }
  std::atomic<int> fired = 0;
};

// The wheel and what it should do.
class model {
 public:
  // Ahead of the clock, which an empty wheel looks at.
  explicit model(std::uint64_t seed) : pick_(seed), now_(steady_now() + year) {}

  void step() {
    switch (pick_.below(8)) {
      case 0: expire_at(now_ + distance()); break;
      case 1: expire_at(wheel_.next_due() == timer_wheel::never ? now_ : wheel_.next_due()); break;
      case 2: expire_at(now_ + pick_.below(3) * tick); break;
      case 3:
      case 4: remove_one(); break;
      default: add_one();
    }
    REQUIRE(wheel_.size() == expected_.size());
    if (!expected_.empty()) {
      REQUIRE(wheel_.next_due() <= rounded_up(expected_.begin()->first));
    }
  }

 private:
  // From nanoseconds to centuries, each length as likely, so that all levels are used.
  std::int64_t distance() {
    const int bits = 1 + pick_.below(60);
    const auto span = std::int64_t(pick_.next() & ((std::uint64_t{1} << bits) - 1));
    return span < INT64_MAX / 2 - now_ ? span : year;
  }
  void add_one() {
    std::int64_t at = now_ + distance();
    // Sometimes where another already stands, or in the past.
    if (!expected_.empty() && pick_.one_in(4)) at = expected_.begin()->first;
    if (pick_.one_in(10)) at = now_ - pick_.below(1'000'000'000);
    auto node = std::make_unique<counting_node>(at);
    wheel_.add(*node);
    expected_.emplace(at, std::move(node));
  }
  void remove_one() {
    if (expected_.empty()) return;
    auto at = expected_.begin();
    std::advance(at, pick_.below(int(expected_.size())));
    REQUIRE(timer_wheel::remove(*at->second));
    REQUIRE_FALSE(timer_wheel::remove(*at->second));
    REQUIRE(at->second->fired == 0);
    expected_.erase(at);
  }
  void expire_at(std::int64_t now) {
    if (now > INT64_MAX / 2) return;  // the test's own time is at its end
    if (now > now_) now_ = now;
    wheel_.expire(now_);
    for (auto at = expected_.begin(); at != expected_.end();) {
      const bool due = rounded_up(at->first) <= now_;
      REQUIRE(at->second->fired == (due ? 1 : 0));
      at = due ? expected_.erase(at) : std::next(at);
    }
    // Else a worker that waits for it would turn in circles.
    REQUIRE(wheel_.next_due() > now_);
    if (expected_.empty()) REQUIRE(wheel_.next_due() == timer_wheel::never);
    // Or an idle process would come awake only to move them.
    if (!expected_.empty() && expected_.size() <= 16) {
      REQUIRE(wheel_.next_due() == rounded_up(expected_.begin()->first));
    }
  }

  timer_wheel wheel_;
  weft_test::chance pick_;
  std::int64_t now_;
  std::multimap<std::int64_t, std::unique_ptr<counting_node>> expected_;
};

}  // namespace

TEST_CASE("random timers fire when the model says so") {
  const std::uint64_t seed = weft_test::first_seed();
  for (std::uint64_t round = 0; round < weft_test::scaled(2000); ++round) {
    CAPTURE(seed + round);
    model m(seed + round);
    for (int i = 0; i < 500; ++i) m.step();
  }
}

TEST_CASE("add says whether the timer is now the first") {
  timer_wheel wheel;
  const std::int64_t now = steady_now();
  counting_node late(now + year);
  counting_node early(now + year / 2);
  counting_node between(now + year / 2 + year / 4);
  CHECK(wheel.next_due() == timer_wheel::never);
  CHECK(wheel.add(late));
  CHECK(wheel.add(early));
  CHECK_FALSE(wheel.add(between));
  CHECK(wheel.size() == 3);
  CHECK(wheel.drain() != nullptr);
}

TEST_CASE("deadlines at the end of time neither fire nor disturb others") {
  timer_wheel wheel;
  const std::int64_t now = steady_now() + year;  // an empty wheel looks at the clock
  std::vector<std::unique_ptr<counting_node>> far;
  for (const std::int64_t before_end : {std::int64_t{0}, std::int64_t{1}, tick, 2 * tick, year}) {
    far.push_back(std::make_unique<counting_node>(INT64_MAX - before_end));
    wheel.add(*far.back());
  }
  wheel.expire(now);
  CHECK(wheel.next_due() > now);  // whatever add() told
  counting_node soon(now + tick);
  wheel.add(soon);
  CHECK(wheel.next_due() <= rounded_up(now + tick));
  wheel.expire(now + 2 * tick);
  CHECK(soon.fired == 1);
  wheel.expire(now + 100 * year);
  for (const auto& n : far) CHECK(n->fired == 0);
  CHECK(wheel.size() == far.size());
  CHECK(timer_wheel::remove(*far.front()));
  std::size_t drained = 0;
  for (timer_node* n = wheel.drain(); n != nullptr; n = n->next_to_fire) ++drained;
  CHECK(drained == far.size() - 1);
}

TEST_CASE("drain gives every timer once and leaves an empty wheel") {
  timer_wheel wheel;
  const std::int64_t now = steady_now();
  std::vector<std::unique_ptr<counting_node>> nodes;
  for (int bits = 0; bits < 60; ++bits) {
    nodes.push_back(std::make_unique<counting_node>(now + (std::int64_t{1} << bits)));
    wheel.add(*nodes.back());
  }
  std::map<timer_node*, int> seen;
  for (timer_node* n = wheel.drain(); n != nullptr; n = n->next_to_fire) ++seen[n];
  CHECK(seen.size() == nodes.size());
  CHECK(wheel.size() == 0);
  CHECK(wheel.next_due() == timer_wheel::never);
  for (const auto& n : nodes) {
    CHECK_FALSE(timer_wheel::remove(*n));
    CHECK(n->fired == 0);
  }
  CHECK(wheel.add(*nodes.front()));  // as good as new
  wheel.expire(now + year);
  CHECK(nodes.front()->fired == 1);
}

TEST_CASE("a sleeper is claimed and woken; one that a partner has claimed is left alone") {
  timer_wheel wheel;
  const std::int64_t now = steady_now() + year;  // an empty wheel looks at the clock
  waiter sleepers[2];
  timer_node nodes[2];
  for (int i = 0; i < 2; ++i) {
    sleepers[i].kind = waiter_kind::thread;
    nodes[i].at = now + tick;
    nodes[i].sleeper = &sleepers[i];
    wheel.add(nodes[i]);
    CHECK(sleepers[i].word.value() == claim_open);
  }
  REQUIRE(sleepers[1].word.claim(claim_case));
  wheel.expire(now);
  CHECK(sleepers[0].word.value() == claim_open);
  wheel.expire(now + 2 * tick);
  CHECK(sleepers[0].word.value() == claim_timeout);
  CHECK(sleepers[0].ready == 1);
  CHECK(sleepers[1].word.value() == claim_case);
  CHECK(sleepers[1].ready == 0);
  for (timer_node& n : nodes) CHECK_FALSE(timer_wheel::remove(n));
  CHECK(wheel.size() == 0);
}

TEST_CASE("timers added and removed by threads while others expire fire once or are removed") {
  timer_wheel wheel;
  std::atomic<bool> ends = false;
  std::atomic<int> wrong = 0;
  std::atomic<int> early = 0;
  const int rounds = int(weft_test::scaled(3000));
  std::vector<std::thread> owners;
  for (int t = 0; t < 2; ++t) {
    owners.emplace_back([&, t] {
      weft_test::chance pick(std::uint64_t(t) + 1);
      for (int i = 0; i < rounds; ++i) {
        // Many at once, removed when they are due: most removals meet an expire.
        std::vector<counting_node> nodes(std::size_t(1 + pick.below(30)));
        const std::int64_t at = steady_now() + pick.below(100'000);
        for (counting_node& n : nodes) {
          n.at = at;
          wheel.add(n);
        }
        const std::int64_t until = at + pick.below(2 * tick);
        while (steady_now() < until) weft::detail::pause();
        for (counting_node& n : nodes) {
          if (timer_wheel::remove(n)) {
            if (n.fired != 0) ++wrong;
            continue;
          }
          // Fired, or will be: its memory must stay until then.
          while (n.fired == 0) std::this_thread::yield();
          if (steady_now() < at) ++early;
          if (n.fired != 1 || timer_wheel::remove(n)) ++wrong;
        }
      }
    });
  }
  std::vector<std::thread> expirers;
  for (int t = 0; t < 2; ++t) {
    expirers.emplace_back([&] {
      while (!ends) {
        wheel.expire(steady_now());
        std::this_thread::yield();
      }
    });
  }
  for (auto& t : owners) t.join();
  ends = true;
  for (auto& t : expirers) t.join();
  CHECK(wrong == 0);
  CHECK(early == 0);
  CHECK(wheel.size() == 0);
}
