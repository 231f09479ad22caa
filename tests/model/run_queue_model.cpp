// The run queue (src/sched/run_queue.*), an owner and its thieves: everything that is pushed is
// taken once, and nobody waits for ever.
#include <memory>
#include <vector>

#include "base/futex.hpp"
#include "model/check.hpp"
#include "sched/run_queue.hpp"

namespace m = weft_model;
using namespace weft::detail;

namespace {

struct world {
  run_queue queue;
  std::vector<std::unique_ptr<goroutine>> goroutines;
  std::vector<std::unique_ptr<seed>> seeds;
  std::vector<int> taken;  // by number: goroutines first

  world(int number_of_goroutines, int number_of_seeds) {
    for (int i = 0; i < number_of_goroutines; ++i) goroutines.push_back(std::make_unique<goroutine>());
    for (int i = 0; i < number_of_seeds; ++i) seeds.push_back(std::make_unique<seed>());
    taken.resize(goroutines.size() + seeds.size());
  }
  goroutine* g(unsigned i) { return goroutines[i].get(); }
  seed* s(unsigned i) { return seeds[i].get(); }

  void note(const goroutine* got) {
    for (unsigned i = 0; i < goroutines.size(); ++i) taken[i] += goroutines[i].get() == got ? 1 : 0;
  }
  void note(const seed* got) {
    for (unsigned i = 0; i < seeds.size(); ++i) {
      taken[goroutines.size() + i] += seeds[i].get() == got ? 1 : 0;
    }
  }
  void note(loot& l) {
    while (goroutine* got = l.woken.pop_front()) note(got);
    while (seed* got = l.fresh.pop_oldest()) note(got);
  }
  bool note(runnable r) {
    if (r.started != nullptr) note(r.started);
    if (r.fresh != nullptr) note(r.fresh);
    return static_cast<bool>(r);
  }
  void check_at_end() {
    while (note(queue.pick())) {
    }
    for (const int n : taken) m::require(n == 1, "lost, or taken twice");
    m::require(!queue.has_any(), "the counts are wrong");
  }
};

}  // namespace

TEST_CASE("model: run queue, the owner works while a thief asks", "[model]") {
  has_membarrier = GENERATE(true, false);
  m::check({.preemptions = 2, .delayed_stores = 1}, [](m::scenario& s) {
    auto w = std::make_shared<world>(2, 3);
    w->queue.push_fresh(w->s(0));
    w->queue.push_fresh(w->s(1));
    s.thread([w] {
      w->queue.push_woken(w->g(0));
      w->queue.push_next(w->g(1));
      w->note(w->queue.pick());
      w->queue.push_fresh(w->s(2));
      w->note(w->queue.pick());
    });
    s.thread([w] {
      loot l;
      if (w->queue.steal(l)) w->note(l);
    });
    s.at_end([w] { w->check_at_end(); });
  });
}

TEST_CASE("model: run queue, the owner works while a thief takes by force", "[model]") {
  has_membarrier = GENERATE(true, false);
  m::check({.preemptions = 3, .delayed_stores = 1}, [](m::scenario& s) {
    auto w = std::make_shared<world>(2, 1);
    w->queue.push_fresh(w->s(0));
    s.thread([w] {
      w->queue.push_woken(w->g(0));
      w->queue.push_next(w->g(1));
      w->note(w->queue.pick());
    });
    s.thread([w] {
      loot l;
      if (w->queue.take_by_force(l)) w->note(l);
    });
    s.at_end([w] { w->check_at_end(); });
  });
}

TEST_CASE("model: run queue, two thieves", "[model]") {
  has_membarrier = true;
  m::check({.preemptions = 2, .delayed_stores = 1}, [](m::scenario& s) {
    auto w = std::make_shared<world>(0, 4);
    for (unsigned i = 0; i < 3; ++i) w->queue.push_fresh(w->s(i));
    s.thread([w] {
      w->queue.push_fresh(w->s(3));
      w->note(w->queue.pick());
    });
    for (int thief = 0; thief < 2; ++thief) {
      s.thread([w, thief] {
        loot l;
        if (thief == 0 ? w->queue.steal(l) : w->queue.take_by_force(l)) w->note(l);
      });
    }
    s.at_end([w] { w->check_at_end(); });
  });
}

TEST_CASE("model: run queue, two thieves that use force", "[model]") {
  has_membarrier = GENERATE(true, false);
  m::check({.preemptions = 3, .delayed_stores = 1}, [](m::scenario& s) {
    auto w = std::make_shared<world>(1, 1);
    w->queue.push_fresh(w->s(0));
    s.thread([w] { w->queue.push_woken(w->g(0)); });
    for (int thief = 0; thief < 2; ++thief) {
      s.thread([w] {
        loot l;
        if (w->queue.take_by_force(l)) w->note(l);
      });
    }
    s.at_end([w] { w->check_at_end(); });
  });
}

TEST_CASE("model: run queue, who sleeps by a bell hears what the owner does", "[model]") {
  has_membarrier = GENERATE(true, false);
  m::check({.preemptions = 3, .delayed_stores = 2}, [](m::scenario& s) {
    struct belled : world {
      belled() : world(1, 0) {}
      run_queue::bell_word word;
    };
    auto w = std::make_shared<belled>();
    s.thread([w] { w->queue.push_next(w->g(0)); });
    s.thread([w] {
      for (;;) {
        const std::uint32_t seen = w->word.rung.load(std::memory_order_seq_cst);
        loot l;
        if (w->queue.take_by_force(l)) return w->note(l);
        m::require(w->queue.hang_bell(w->word), "nobody else is at the cell");
        heavy_barrier();
        if (w->queue.is_still()) {
          futex_wait(w->word.rung, seen);
        } else if (!w->queue.has_any()) {
          weft::detail::pause();  // the owner is in the middle of it
        }
      }
    });
    s.at_end([w] { w->check_at_end(); });
  });
}
