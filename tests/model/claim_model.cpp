// The claim word (src/sched/claim_word.hpp): one of all who claim wins, the owner sees which and what
// that one wrote, and who holds the word for a moment takes nothing away from them.
#include <memory>

#include "model/check.hpp"
#include "sched/claim_word.hpp"

namespace m = weft_model;
using namespace weft::detail;

namespace {

// A wait whose owner is a thread, without anything that it would wait for.
struct wait {
  waiter who;
  int element = 0;
  wait() {
    who.kind = waiter_kind::thread;
    m::name(&who.word, sizeof who.word, "word");
  }
  std::uint32_t until_claimed() {
    while (who.ready.load(std::memory_order_acquire) == 0) m::spin();
    return who.word.close();
  }
  void claim_and_wake(std::uint32_t value, int& winners) {
    if (!who.word.claim(value)) return;
    m::plain_access(&element);
    element = static_cast<int>(value);
    ++winners;
    who.ready.store(1, std::memory_order_release);
  }
};

struct world {
  wait* w = new wait;
  int winners = 0;
};

}  // namespace

TEST_CASE("model: claim, one of three wins", "[model]") {
  m::check({.preemptions = 4}, [](m::scenario& s) {
    auto w = std::make_shared<world>();
    s.thread([=] {
      m::plain_access(&w->w->element);  // what the waiter wrote, the winner sees
      w->w->who.word.open();
      const std::uint32_t won = w->w->until_claimed();
      m::plain_access(&w->w->element);
      m::require(w->w->element == static_cast<int>(won), "another's value");
      // Whoever comes later finds the word closed: that it is there is its own lock's business.
    });
    for (std::uint32_t i = 0; i < 3; ++i) {
      s.thread([=] {
        while (w->w->who.word.value() == claim_none && w->winners == 0) m::spin();
        w->w->claim_and_wake(claim_case + i, w->winners);
      });
    }
    s.at_end([=] { m::require(w->winners == 1, "two have won, or nobody"); });
  });
}

TEST_CASE("model: claim, somebody holds the word while two claim", "[model]") {
  m::check({.preemptions = 3}, [](m::scenario& s) {
    auto w = std::make_shared<world>();
    w->w->who.word.open();
    s.thread([=] {
      m::require(w->w->until_claimed() >= claim_case, "a value that nobody claimed with");
      m::plain_access(&w->w->element);
    });
    s.thread([=] {
      if (!w->w->who.word.hold()) return;
      m::plain_access(&w->w->element);  // a dump reads the stack; a destructor detaches a node
      w->w->who.word.unhold();
    });
    for (std::uint32_t i = 0; i < 2; ++i) {
      s.thread([=] { w->w->claim_and_wake(claim_case + i, w->winners); });
    }
    s.at_end([=] { m::require(w->winners == 1, "two have won, or nobody"); });
  });
}

TEST_CASE("model: claim, whose part failed tells the owner to look again", "[model]") {
  m::check({.preemptions = 4}, [](m::scenario& s) {
    auto w = std::make_shared<world>();
    w->w->who.word.open();
    s.thread([=] {
      const std::uint32_t won = w->w->until_claimed();
      m::require(won == claim_retry || won == claim_timeout, "the claim that failed was seen");
    });
    s.thread([=] {
      if (!w->w->who.word.claim(claim_case)) return;
      ++w->winners;
      w->w->who.word.change_to_retry();
      w->w->who.ready.store(1, std::memory_order_release);
    });
    s.thread([=] { w->w->claim_and_wake(claim_timeout, w->winners); });
    s.at_end([=] { m::require(w->winners == 1, "two have won, or nobody"); });
  });
}
