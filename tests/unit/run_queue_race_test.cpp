// One owner against thieves on real threads: what is in the queue is taken exactly once, whether
// the owner answers or is forced, with and without membarrier.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/barrier.hpp"
#include "base/futex.hpp"
#include "sched/run_queue.hpp"
#include "stress/chance.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

using namespace weft::detail;

namespace {

constexpr std::size_t kinds = 2;
constexpr std::size_t of_a_kind = 600;

enum class pace {
  quick,
  hesitates,     // answers about when a thief loses its patience
  stands_still,  // at times, until a thief has got something
};

class arena {
 public:
  explicit arena(std::uint64_t seed) : pick_(seed), seed_(seed) {
    for (std::size_t i = 0; i < kinds * of_a_kind; ++i) free_.push_back(i);
  }

  void play(pace how, int steps, int thieves) {
    std::vector<std::thread> threads;
    for (int t = 0; t < thieves; ++t) threads.emplace_back([this, t] { steal_until_the_end(t); });
    for (int i = 0; i < steps; ++i) {
      if (pick_.one_in(3)) {
        took(pick_.one_in(10) ? queue_.pick_oldest() : queue_.pick());
      } else if (!free_.empty()) {
        push(free_.back());
      } else {
        take_back();
        if (free_.empty()) took(queue_.pick());
      }
      if (pick_.one_in(500)) push_all(queue_.take_all());
      if (pick_.one_in(50)) std::this_thread::yield();
      if (how == pace::stands_still && pick_.one_in(100)) stand_still();
      if (how == pace::hesitates && pick_.one_in(4)) {
        for (const std::int64_t until = steady_now() + pick_.below(40'000); steady_now() < until;) {
          weft::detail::pause();
        }
      }
    }
    ends_ = true;
    for (auto& t : threads) t.join();
    while (const runnable r = queue_.pick()) took(r);
    take_back();
  }

  std::size_t everything() const { return free_.size(); }
  bool was_any_doubled() const { return doubled_; }
  std::size_t stolen() const { return stolen_; }

 private:
  std::size_t number(const runnable& r) const {
    return r.started != nullptr ? std::size_t(r.started - goroutines_.get())
                                : of_a_kind + std::size_t(r.fresh - seeds_.get());
  }
  void push(std::size_t n) {
    free_.pop_back();
    if (queued_[n].exchange(true)) doubled_ = true;
    if (n >= of_a_kind) {
      queue_.push_fresh(&seeds_[n - of_a_kind]);
    } else if (pick_.one_in(2)) {
      queue_.push_next(&goroutines_[n]);
    } else {
      queue_.push_woken(&goroutines_[n]);
    }
  }
  void took(const runnable& r) {
    if (!r) return;
    if (!queued_[number(r)].exchange(false)) doubled_ = true;
    free_.push_back(number(r));
  }
  void push_all(loot l) { queue_.push_loot(l); }
  void take_back() {
    std::lock_guard guard(mutex_);
    free_.insert(free_.end(), returned_.begin(), returned_.end());
    returned_.clear();
  }
  void stand_still() {
    const std::size_t before = stolen_;
    while (queue_.has_spare() && stolen_ == before) std::this_thread::yield();
  }
  void steal_until_the_end(int index) {
    weft_test::chance pick(seed_ + 1 + std::uint64_t(index));
    while (!ends_) {
      loot l;
      if (!(pick.one_in(20) ? queue_.take_by_force(l) : queue_.steal(l))) {
        std::this_thread::yield();
        continue;
      }
      std::vector<std::size_t> got;
      while (goroutine* g = l.woken.pop_front()) got.push_back(number({g, nullptr}));
      while (seed* s = l.fresh.pop_oldest()) got.push_back(number({nullptr, s}));
      for (const std::size_t n : got) {
        if (!queued_[n].exchange(false)) doubled_ = true;
      }
      {
        std::lock_guard guard(mutex_);
        returned_.insert(returned_.end(), got.begin(), got.end());
      }
      stolen_ += got.size();
    }
  }

  run_queue queue_;
  std::unique_ptr<goroutine[]> goroutines_ = std::make_unique<goroutine[]>(of_a_kind);
  std::unique_ptr<seed[]> seeds_ = std::make_unique<seed[]>(of_a_kind);
  std::vector<std::atomic<bool>> queued_ = std::vector<std::atomic<bool>>(kinds * of_a_kind);
  weft_test::chance pick_;
  const std::uint64_t seed_;
  std::vector<std::size_t> free_;  // by the owner
  std::mutex mutex_;
  std::vector<std::size_t> returned_;  // guarded by mutex_
  std::atomic<std::size_t> stolen_ = 0;
  std::atomic<bool> doubled_ = false;
  std::atomic<bool> ends_ = false;
};

void pause_a_little() {
  static thread_local unsigned rounds = 0;
  if (++rounds % 256 == 0) std::this_thread::yield();
  weft::detail::pause();
}

// False: refused here.
bool set_barriers(bool with_membarrier) {
  has_membarrier = false;
  if (with_membarrier) prepare_barriers();
  return has_membarrier == with_membarrier;
}

}  // namespace

TEST_CASE("an owner against thieves loses and doubles nothing") {
  const bool with_membarrier = GENERATE(true, false);
  const pace how = GENERATE(pace::quick, pace::hesitates, pace::stands_still);
  const int thieves = GENERATE(1, 3);
  if (!set_barriers(with_membarrier)) return;
  const std::uint64_t seed = weft_test::first_seed();
  CAPTURE(with_membarrier, int(how), thieves, seed);
  arena a(seed);
  a.play(how, int(weft_test::scaled(how == pace::quick ? 200'000 : 20'000)), thieves);
  CHECK_FALSE(a.was_any_doubled());
  CHECK(a.everything() == kinds * of_a_kind);
  if (how == pace::stands_still) CHECK(a.stolen() > 0);
}

TEST_CASE("a lone thief always gets its half from an owner that answers") {
  if (!set_barriers(GENERATE(true, false))) return;
  const auto goroutines = std::make_unique<goroutine[]>(8);
  run_queue queue;
  for (int i = 0; i < 8; ++i) queue.push_woken(&goroutines[i]);
  std::atomic<bool> has_stolen = false;
  std::atomic<bool> ends = false;
  int refused = 0;
  int other_halves = 0;
  loot l;
  std::thread thief([&] {
    for (std::size_t i = 0; i < weft_test::scaled(5000); ++i) {
      if (!queue.steal(l)) ++refused;
      if (l.woken.count != 4) ++other_halves;
      has_stolen = true;
      while (has_stolen) pause_a_little();
    }
    ends = true;
  });
  while (!ends) {
    queue.answer_thief();
    if (!has_stolen) continue;
    queue.push_loot(l);
    has_stolen = false;
  }
  thief.join();
  CHECK(refused == 0);
  CHECK(other_halves == 0);
}

TEST_CASE("an owner in its fastest loop against a thief that forces") {
  // No locked instruction on the owner's side but what the queue itself does: only the barriers
  // keep the two apart.
  if (!set_barriers(GENERATE(true, false))) return;
  constexpr int count = 16;
  const auto goroutines = std::make_unique<goroutine[]>(count);
  run_queue queue;
  for (int i = 0; i < count; ++i) queue.push_woken(&goroutines[i]);
  std::atomic<loot*> given_back = nullptr;
  std::atomic<bool> ends = false;
  std::thread thief([&] {
    loot mine;
    for (std::size_t i = 0; i < weft_test::scaled(2000); ++i) {
      while (!queue.take_by_force(mine)) pause_a_little();
      given_back.store(&mine, std::memory_order_release);
      while (given_back.load(std::memory_order_acquire) != nullptr) pause_a_little();
    }
    ends.store(true, std::memory_order_release);
  });
  while (!ends.load(std::memory_order_acquire)) {
    if (goroutine* g = queue.pick().started) queue.push_woken(g);
    if (loot* back = given_back.load(std::memory_order_acquire)) {
      queue.push_loot(*back);
      given_back.store(nullptr, std::memory_order_release);
    }
  }
  thief.join();
  int left = 0;
  while (queue.pick()) ++left;
  CHECK(left == count);
}
