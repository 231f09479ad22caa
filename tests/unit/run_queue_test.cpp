// The order of a run queue, by its owner and by a thief, without threads.
#include "sched/run_queue.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "support/catch.hpp"

using namespace weft::detail;

namespace {

// Goroutines and seeds that never run; known by their numbers.
struct fixture {
  std::unique_ptr<goroutine[]> g = std::make_unique<goroutine[]>(2000);
  std::unique_ptr<seed[]> s = std::make_unique<seed[]>(2000);
  run_queue q;

  // 0 and up: a goroutine; 10000 and up: a seed; -1: nothing.
  int number(const runnable& r) const {
    if (r.started != nullptr) return int(r.started - g.get());
    return r.fresh != nullptr ? 10000 + int(r.fresh - s.get()) : -1;
  }
  int pick() { return number(q.pick()); }
  std::vector<int> pick_all() {
    std::vector<int> all;
    for (int n = pick(); n >= 0; n = pick()) all.push_back(n);
    return all;
  }
  std::vector<int> contents(const loot& l) const {
    std::vector<int> all;
    for (goroutine* at = l.woken.first; at != nullptr; at = at->next) all.push_back(int(at - g.get()));
    for (seed* at = l.fresh.oldest; at != nullptr; at = at->prev) {
      all.push_back(10000 + int(at - s.get()));
    }
    return all;
  }
};

}  // namespace

TEST_CASE("the next slot first, then the woken in order, then the newest seed") {
  fixture f;
  CHECK(f.pick() == -1);
  f.q.push_fresh(&f.s[0]);
  f.q.push_fresh(&f.s[1]);
  f.q.push_woken(&f.g[0]);
  f.q.push_woken(&f.g[1]);
  f.q.push_next(&f.g[2]);
  CHECK(f.q.length() == 5);
  CHECK(f.q.fresh_count() == 2);
  CHECK(f.pick_all() == std::vector{2, 0, 1, 10001, 10000});
  CHECK_FALSE(f.q.has_any());
}

TEST_CASE("who is pushed out of the next slot goes to the end") {
  fixture f;
  f.q.push_woken(&f.g[0]);
  f.q.push_next(&f.g[1]);
  f.q.push_next(&f.g[2]);
  f.q.push_next(&f.g[3]);
  CHECK(f.q.length() == 4);
  CHECK(f.pick_all() == std::vector{3, 0, 1, 2});
}

TEST_CASE("a push says whether somebody else could take something") {
  fixture f;
  CHECK_FALSE(f.q.push_fresh(&f.s[0]));  // a lone one is for its owner
  CHECK(f.q.push_fresh(&f.s[1]));
  fixture n;
  CHECK_FALSE(n.q.push_next(&n.g[0]));
  CHECK_FALSE(n.q.push_next(&n.g[1]));  // two that talk to each other stay together
  CHECK_FALSE(n.q.has_spare());
  CHECK(n.q.push_next(&n.g[2]));
  CHECK(n.q.has_spare());
}

TEST_CASE("64 next ones in a row, then another has its turn") {
  fixture f;
  f.q.push_woken(&f.g[1]);
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 64; ++i) {
      f.q.push_next(&f.g[0]);
      REQUIRE(f.pick() == 0);
    }
    f.q.push_next(&f.g[0]);
    REQUIRE(f.pick() == 1);
    REQUIRE(f.pick() == 0);
    f.q.push_woken(&f.g[1]);
  }
}

TEST_CASE("a streak does not end while nobody else is there") {
  fixture f;
  for (int i = 0; i < 200; ++i) {
    f.q.push_next(&f.g[0]);
    REQUIRE(f.pick() == 0);
  }
  CHECK(f.pick() == -1);
}

TEST_CASE("pick_oldest takes the oldest seed and the oldest goroutine in turn") {
  fixture f;
  for (int i = 0; i < 3; ++i) {
    f.q.push_fresh(&f.s[i]);
    f.q.push_woken(&f.g[i]);
  }
  std::vector<int> all;
  for (int i = 0; i < 6; ++i) all.push_back(f.number(f.q.pick_oldest()));
  CHECK(all == std::vector{10000, 0, 10001, 1, 10002, 2});
}

TEST_CASE("a seed gets its turn however often others yield") {
  fixture f;
  f.q.push_fresh(&f.s[0]);
  f.q.push_woken(&f.g[0]);
  int looks = 0;
  for (;; ++looks) {
    REQUIRE(looks < 4);
    const runnable r = f.q.pick_oldest();
    if (r.fresh != nullptr) break;
    if (r.started != nullptr) f.q.push_woken(r.started);
  }
}

TEST_CASE("a thief gets the older half and leaves a lone one") {
  fixture f;
  loot l;
  CHECK_FALSE(f.q.steal(l));
  f.q.push_woken(&f.g[0]);
  f.q.push_next(&f.g[9]);
  f.q.push_fresh(&f.s[0]);
  CHECK_FALSE(f.q.steal(l));
  CHECK(l.empty());
  for (int i = 1; i < 5; ++i) f.q.push_woken(&f.g[i]);
  REQUIRE(f.q.steal(l));
  CHECK(f.contents(l) == std::vector{0, 1});
  CHECK(f.q.length() == 5);
  CHECK(f.pick_all() == std::vector{9, 2, 3, 4, 10000});
}

TEST_CASE("a thief gets seeds where no goroutines are to spare, the oldest half") {
  fixture f;
  for (int i = 0; i < 5; ++i) f.q.push_fresh(&f.s[i]);
  f.q.push_woken(&f.g[0]);
  loot l;
  REQUIRE(f.q.steal(l));
  CHECK(f.contents(l) == std::vector{10000, 10001});
  CHECK(f.q.fresh_count() == 3);
  CHECK(f.pick_all() == std::vector{0, 10004, 10003, 10002});
}

TEST_CASE("a thief's share is bounded") {
  fixture f;
  for (int i = 0; i < 1000; ++i) f.q.push_woken(&f.g[i]);
  loot l;
  REQUIRE(f.q.steal(l));
  CHECK(l.woken.count == 64);
  CHECK(f.contents(l).front() == 0);
  fixture s;
  for (int i = 0; i < 2000; ++i) s.q.push_fresh(&s.s[i]);
  loot m;
  REQUIRE(s.q.steal(m));
  CHECK(m.fresh.count == 512);
  CHECK(s.q.fresh_count() == 1488);
}

TEST_CASE("force and take_all take everything, the next one last of the woken") {
  for (const bool by_force : {true, false}) {
    fixture f;
    f.q.push_next(&f.g[7]);
    f.q.push_woken(&f.g[0]);
    f.q.push_woken(&f.g[1]);
    f.q.push_fresh(&f.s[0]);
    loot l;
    if (by_force) {
      REQUIRE(f.q.take_by_force(l));
    } else {
      l = f.q.take_all();
    }
    CHECK(f.contents(l) == std::vector{0, 1, 7, 10000});
    CHECK_FALSE(f.q.has_any());
    CHECK_FALSE(f.q.take_by_force(l));
    CHECK(f.pick() == -1);
  }
}

TEST_CASE("loot goes behind the woken and below the seeds") {
  fixture victim;
  loot l;
  for (int i = 0; i < 2; ++i) victim.q.push_woken(&victim.g[i]);
  for (int i = 0; i < 2; ++i) victim.q.push_fresh(&victim.s[i]);
  REQUIRE(victim.q.take_by_force(l));
  // The same objects, so that the numbers fit.
  run_queue thief;
  thief.push_woken(&victim.g[5]);
  thief.push_fresh(&victim.s[5]);
  thief.push_loot(l);
  CHECK(l.empty());
  std::vector<int> all;
  for (int n = 0; (n = victim.number(thief.pick())) >= 0;) all.push_back(n);
  CHECK(all == std::vector{5, 0, 1, 10005, 10001, 10000});
}
