// Stacks: their guards, their tops, and what becomes of their memory. Each test has a size, and so
// a pool, of its own.
#include "stack/stack_pool.hpp"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <weft/weft.hpp>

#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/opaque.hpp"
#include "support/scale.hpp"
#include "unit/guard_probe.hpp"
#include "unit/refuse.hpp"

using weft::detail::control_block_size;
using weft::detail::stack_pool;

namespace {

const std::size_t page = std::size_t(sysconf(_SC_PAGESIZE));

std::vector<void*> take(stack_pool& pool, std::size_t n) {
  std::vector<void*> blocks(n);
  for (std::size_t taken = 0; taken < n;) {
    const std::size_t now = pool.take(blocks.data() + taken, n - taken);
    if (now == 0) throw std::bad_alloc();
    taken += now;
  }
  return blocks;
}

// The sanitizers have handlers of their own.
const weft_test::child_options plain_signals{
    .env = {"ASAN_OPTIONS=handle_segv=0:allow_user_segv_handler=1", "TSAN_OPTIONS=handle_segv=0"}};

// Takes more stack than any goroutine has.
WEFT_TEST_OPAQUE int descend(volatile int* above, long levels) {
  volatile int frame[64];
  frame[0] = *above + 1;
  return levels == 0 ? 0 : descend(frame, levels - 1) + frame[0];
}

WEFT_CHILD_CASE("writes-below-a-stack") {
  void* block = take(stack_pool::of_size(64 << 10), 1).front();
  volatile char* below = stack_pool::of_size(64 << 10).low_end(block);
  below[0] = 1;
  [[maybe_unused]] const auto n = write(STDOUT_FILENO, "first ", 6);
  below[-1] = 1;
  [[maybe_unused]] const auto m = write(STDOUT_FILENO, "second", 6);
}

// How many of 96 beyond the limit of those that keep their memory come back zeroed.
std::size_t zeroed_beyond_the_limit(stack_pool& pool) {
  constexpr std::size_t hot = 4096;
  auto blocks = take(pool, hot + 96);
  for (void* block : blocks) *static_cast<volatile char*>(block) = 1;
  for (std::size_t i = 0; i < blocks.size(); i += 32) pool.give_back(&blocks[i], 32);
  blocks = take(pool, hot + 96);
  std::size_t zeroed = 0;
  for (void* block : blocks) zeroed += *static_cast<volatile char*>(block) == 0;
  return zeroed;
}

WEFT_CHILD_CASE("returns-memory-without-process-madvise") {
  weft_test::refuse(SYS_process_madvise, EINVAL);
  std::cout << zeroed_beyond_the_limit(stack_pool::of_size(4 * page));
}

WEFT_CHILD_CASE("overflows-a-stack") {
  weft::run([] {
    volatile int top = 0;
    descend(&top, 1'000'000);
  });
}

}  // namespace

TEST_CASE("a write below a stack kills the process") {
  const auto child = weft_test::run_child("writes-below-a-stack", plain_signals);
  CHECK(child.out == "first ");
  CHECK(child.signal == SIGSEGV);
}

TEST_CASE("a goroutine that overflows its stack kills the process") {
  const auto child = weft_test::run_child("overflows-a-stack", plain_signals);
  CHECK(child.signal == SIGSEGV);
  // Without a guard it dies, too, further down.
  if (!weft_test::under_tsan && !weft_test::under_asan) {
    CHECK_THAT(child.err, weft_test::contains("stack overflow"));
  }
}

TEST_CASE("sizes are rounded up to pages and share a pool then") {
  stack_pool& pool = stack_pool::of_size(17 * page);
  CHECK(pool.stack_size() == 17 * page);
  CHECK(&stack_pool::of_size(16 * page + 1) == &pool);
  CHECK(&stack_pool::of_size(17 * page + 1) != &pool);
  CHECK(stack_pool::of_size(1).stack_size() >= 16 << 10);
  bool listed = false;
  for (stack_pool* p = stack_pool::first_pool(); p != nullptr; p = p->next_pool()) {
    listed = listed || p == &pool;
  }
  CHECK(listed);
}

TEST_CASE("every stack has a guard, its full size and a clean block") {
  stack_pool& pool = stack_pool::of_size(19 * page);
  weft_test::memory_probe probe;
  const std::size_t total = stack_pool::total_stacks();
  const std::size_t unguarded = stack_pool::unguarded_stacks();
  std::size_t without_guard = 0;
  std::set<char*> lows;
  for (void* block : take(pool, 960)) {
    char* low = pool.low_end(block);
    auto* top = static_cast<char*>(block);
    if (probe.can_read(low - 1) || probe.can_write(low - page)) ++without_guard;
    REQUIRE(probe.can_write(low));
    REQUIRE(probe.can_write(top + control_block_size - 1));
    REQUIRE(reinterpret_cast<std::uintptr_t>(block) % 64 == 0);
    // Colours take little of it.
    REQUIRE(top - low > std::ptrdiff_t(pool.stack_size() - page));
    REQUIRE(top + control_block_size <= low + pool.stack_size());
    REQUIRE(std::all_of(top, top + control_block_size, [](char c) { return c == 0; }));
    lows.insert(low);
  }
  CHECK(lows.size() == 960);
  CHECK(without_guard == 0);
  CHECK(stack_pool::total_stacks() == total + 960);
  CHECK(stack_pool::unguarded_stacks() == unguarded);
}

TEST_CASE("tops of neighbours fall into different cache sets") {
  stack_pool& pool = stack_pool::of_size(21 * page);
  std::set<std::uintptr_t> colours;
  for (void* block : take(pool, 24)) colours.insert(reinterpret_cast<std::uintptr_t>(block) % page);
  CHECK(colours.size() == 24);
}

// The end of a run finds goroutines by it; where no memory is there is none.
TEST_CASE("stacks that are taken or keep their memory are visited") {
  stack_pool& pool = stack_pool::of_size(23 * page);
  constexpr std::size_t hot = 4096;
  const auto visited = [&] {
    std::set<void*> blocks;
    pool.for_each_block([&](void* block) { blocks.insert(block); });
    return blocks;
  };
  auto first = take(pool, 300);
  CHECK(visited() == std::set<void*>(first.begin(), first.end()));
  pool.give_back(first.data(), first.size());
  CHECK(visited() == std::set<void*>(first.begin(), first.end()));
  auto blocks = take(pool, hot + 96);
  const auto all = std::set<void*>(blocks.begin(), blocks.end());
  CHECK(visited() == all);
  for (std::size_t i = 0; i < blocks.size(); i += 32) pool.give_back(&blocks[i], 32);
  CHECK(visited().size() == hot);
  blocks = take(pool, hot + 96);
  CHECK(visited() == all);
}

TEST_CASE("which stacks have no memory yet is said") {
  stack_pool& pool = stack_pool::of_size(25 * page);
  std::vector<void*> blocks(16);
  std::size_t cold = 0;
  REQUIRE(pool.take(blocks.data(), 16, &cold) == 16);
  CHECK(cold == 16);
  CHECK(std::is_sorted(blocks.begin(), blocks.end()));
  pool.give_back(blocks.data(), 8);
  std::vector<void*> again(16);
  REQUIRE(pool.take(again.data(), 16, &cold) == 16);
  CHECK(cold == 8);
  CHECK(std::is_sorted(again.begin() + 8, again.end()));
}

TEST_CASE("idle stacks keep their memory up to a limit, beyond it they come back zeroed") {
  stack_pool& pool = stack_pool::of_size(4 * page);
  constexpr std::size_t hot = 4096;
  constexpr std::size_t cold = 96;
  const auto mark = [&](void* block) -> volatile std::uintptr_t& {
    return *reinterpret_cast<std::uintptr_t*>(pool.low_end(block) + page);
  };
  auto blocks = take(pool, hot + cold);
  for (void* block : blocks) {
    mark(block) = 1;
    *static_cast<volatile char*>(block) = 1;
  }
  for (std::size_t i = 0; i < blocks.size(); i += 32) pool.give_back(&blocks[i], 32);
  const auto total = stack_pool::total_stacks();
  const auto again = take(pool, hot + cold);
  CHECK(stack_pool::total_stacks() == total);
  CHECK(std::set<void*>(again.begin(), again.end()) ==
        std::set<void*>(blocks.begin(), blocks.end()));
  std::size_t kept = 0;
  std::size_t zeroed = 0;
  for (std::size_t i = 0; i < again.size(); ++i) {
    const bool clean = mark(again[i]) == 0 && *static_cast<volatile char*>(again[i]) == 0;
    // The hot ones come first.
    (i < hot ? kept : zeroed) += i < hot ? !clean : clean;
  }
  CHECK(kept == hot);
  CHECK(zeroed == cold);
  weft_test::memory_probe probe;
  std::size_t without_guard = 0;
  for (void* block : again) without_guard += probe.can_read(pool.low_end(block) - 1);
  CHECK(without_guard == 0);
}

TEST_CASE("an older kernel gets memory back stack by stack") {
  CHECK(weft_test::run_child("returns-memory-without-process-madvise").out == "96");
}

TEST_CASE("threads that take and give back never share a stack") {
  stack_pool& pool = stack_pool::of_size(5 * page);
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 1; t <= 4; ++t) {
    threads.emplace_back([&, t] {
      std::vector<void*> mine(32);
      for (std::size_t round = 0; round < weft_test::scaled(3000); ++round) {
        const std::size_t n = pool.take(mine.data(), 1 + round % 32);
        for (std::size_t i = 0; i < n; ++i) *static_cast<volatile int*>(mine[i]) = t;
        if (round % 8 == 0) std::this_thread::yield();
        for (std::size_t i = 0; i < n; ++i) wrong += *static_cast<volatile int*>(mine[i]) != t;
        pool.give_back(mine.data(), n);
      }
    });
  }
  for (auto& t : threads) t.join();
  CHECK(wrong == 0);
}
