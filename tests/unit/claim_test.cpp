// The claim word: of all who race for a wait, one wins. Claimed waiters wake in their order.
#include "sched/claim_word.hpp"

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "support/catch.hpp"
#include "support/scale.hpp"

using namespace weft::detail;

TEST_CASE("a word that is not open cannot be claimed") {
  claim_word word;
  CHECK(word.value() == claim_none);
  CHECK_FALSE(word.claim(claim_case));
  CHECK_FALSE(word.claim_alone(claim_case));
  CHECK_FALSE(word.hold());
  CHECK(word.value() == claim_none);
}

TEST_CASE("the first claim wins and is what the owner sees") {
  claim_word word;
  word.open();
  CHECK(word.claim(claim_case + 3));
  CHECK_FALSE(word.claim(claim_timeout));
  CHECK_FALSE(word.claim_alone(claim_exit));
  CHECK(word.close() == claim_case + 3);
  CHECK(word.value() == claim_none);
}

TEST_CASE("claim_alone claims an open word") {
  claim_word word;
  word.open();
  CHECK(word.claim_alone(claim_case));
  CHECK_FALSE(word.claim(claim_exit));
  CHECK(word.close() == claim_case);
}

TEST_CASE("a claim that failed in its part becomes retry") {
  claim_word word;
  word.open();
  REQUIRE(word.claim(claim_case));
  word.change_to_retry();
  CHECK(word.close() == claim_retry);
}

TEST_CASE("a claim waits while the word is held, then wins") {
  claim_word word;
  word.open();
  REQUIRE(word.hold());
  std::atomic<bool> unheld = false;
  bool won = false;
  bool too_early = false;
  std::thread claimer([&] {
    won = word.claim(claim_timeout);
    too_early = !unheld.load();
  });
  for (int i = 0; i < 100; ++i) std::this_thread::yield();
  unheld = true;
  word.unhold();
  claimer.join();
  CHECK(won);
  CHECK_FALSE(too_early);
  CHECK(word.close() == claim_timeout);
}

TEST_CASE("of many claimers and holders exactly one wins each round") {
  const auto rounds = static_cast<std::uint32_t>(weft_test::scaled(5'000));
  constexpr std::uint32_t claimers = 3;
  claim_word word;
  std::atomic<std::uint32_t> round = 0;
  std::atomic<std::uint32_t> finished = 0;
  std::atomic<std::uint32_t> wins = 0;
  std::atomic<std::uint32_t> winner = 0;
  std::vector<std::thread> threads;
  for (std::uint32_t t = 0; t <= claimers; ++t) {
    threads.emplace_back([&, t] {
      for (std::uint32_t r = 1; r <= rounds; ++r) {
        while (round.load() < r) std::this_thread::yield();
        if (t == claimers) {
          if (word.hold()) word.unhold();
        } else if (word.claim(claim_case + t)) {
          ++wins;
          winner = claim_case + t;
        }
        ++finished;
      }
    });
  }
  std::uint32_t wrong = 0;
  for (std::uint32_t r = 1; r <= rounds; ++r) {
    word.open();
    round = r;
    while (finished.load() != r * (claimers + 1)) std::this_thread::yield();
    if (wins.load() != r || word.close() != winner.load()) ++wrong;
  }
  for (auto& t : threads) t.join();
  CHECK(wrong == 0);
}

TEST_CASE("a wake list wakes its threads in order and is empty then") {
  waiter waiters[3];
  wake_list list;
  CHECK(list.empty());
  for (waiter& w : waiters) {
    w.kind = waiter_kind::thread;
    list.add(&w);
  }
  CHECK_FALSE(list.empty());
  CHECK(waiters[0].next == &waiters[1]);
  CHECK(waiters[1].next == &waiters[2]);
  CHECK(waiters[2].next == nullptr);
  list.wake_all();
  CHECK(list.empty());
  for (const waiter& w : waiters) CHECK(w.ready.load() == 1);
}
