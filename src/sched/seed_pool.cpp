// Under TSan and ASan seeds come from malloc, whose shadow these tools keep; pooled memory would
// need an order from each free to the next use, which would hide users' races, and would hide uses
// after the end.
#include "sched/seed_pool.hpp"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <mutex>

#include "base/sanitizer.hpp"
#include "base/spin_lock.hpp"

namespace weft::detail {

#if WEFT_TSAN || WEFT_ASAN

namespace {
callable_seed* allocate() noexcept {
  return static_cast<callable_seed*>(std::aligned_alloc(64, sizeof(callable_seed)));
}
}  // namespace
bool seed_pool::refill() noexcept {
  first_ = allocate();
  if (first_ == nullptr) return false;
  first_->next = nullptr;
  count_ = 1;
  return true;
}
void seed_pool::spill() noexcept { give_all_back(); }
void seed_pool::give_all_back() noexcept {
  while (first_ != nullptr) {
    seed* s = first_;
    first_ = s->next;
    std::free(static_cast<callable_seed*>(s));
  }
  count_ = 0;
}
callable_seed* seed_pool::take_shared() noexcept { return allocate(); }
void seed_pool::give_back_shared(callable_seed* s) noexcept { std::free(s); }

#else

namespace {

// Batches: lists linked by `next`, whose first seed links to the next batch by `prev`.
constinit spin_lock lock;
constinit seed* full_batches = nullptr;
constinit seed* loose = nullptr;  // of plain threads
constinit std::size_t loose_count = 0;
constinit char* fresh_memory = nullptr;
constinit char* fresh_end = nullptr;
constinit std::size_t mapped = 0;

constexpr std::size_t small_slab = std::size_t{64} << 10;
constexpr std::size_t huge_slab = std::size_t{2} << 20;

bool map_slab_locked() noexcept {
  // Small slabs for small programs; once there are many seeds, huge pages save a fault every 32.
  const bool huge = mapped >= huge_slab;
  const std::size_t bytes = huge ? huge_slab : small_slab;
  void* memory = nullptr;
  if (posix_memalign(&memory, huge ? huge_slab : 4096, bytes) != 0) return false;
  if (huge) madvise(memory, bytes, MADV_HUGEPAGE);
  fresh_memory = static_cast<char*>(memory);
  fresh_end = fresh_memory + bytes;
  mapped += bytes;
  return true;
}

}  // namespace

bool seed_pool::refill() noexcept {
  std::lock_guard guard(lock);
  if (full_batches != nullptr) {
    first_ = full_batches;
    full_batches = first_->prev;
    count_ = batch;
    return true;
  }
  if (fresh_memory == fresh_end && !map_slab_locked()) return false;
  // As many as lie in one page: later ones stay untouched until needed.
  do {
    auto* s = reinterpret_cast<callable_seed*>(fresh_memory);
    s->next = first_;
    first_ = s;
    ++count_;
    fresh_memory += sizeof(callable_seed);
  } while (fresh_memory != fresh_end && reinterpret_cast<std::uintptr_t>(fresh_memory) % 4096 != 0);
  return true;
}

void seed_pool::spill() noexcept {
  // Keeps the newest, which are in the cache.
  seed* last_kept = first_;
  for (std::size_t i = 1; i < count_ - batch; ++i) last_kept = last_kept->next;
  seed* spilled = last_kept->next;
  last_kept->next = nullptr;
  count_ -= batch;
  std::lock_guard guard(lock);
  spilled->prev = full_batches;
  full_batches = spilled;
}

void seed_pool::give_all_back() noexcept {
  while (first_ != nullptr) {
    seed* s = first_;
    first_ = s->next;
    give_back_shared(static_cast<callable_seed*>(s));
  }
  count_ = 0;
}

callable_seed* seed_pool::take_shared() noexcept {
  std::lock_guard guard(lock);
  if (loose == nullptr) {
    if (full_batches != nullptr) {
      loose = full_batches;
      full_batches = loose->prev;
      loose_count = batch;
    } else {
      if (fresh_memory == fresh_end && !map_slab_locked()) return nullptr;
      loose = reinterpret_cast<callable_seed*>(fresh_memory);
      loose->next = nullptr;
      loose_count = 1;
      fresh_memory += sizeof(callable_seed);
    }
  }
  seed* s = loose;
  loose = s->next;
  --loose_count;
  return static_cast<callable_seed*>(s);
}

void seed_pool::give_back_shared(callable_seed* s) noexcept {
  std::lock_guard guard(lock);
  if (loose_count == batch) {
    // `loose` holds exactly one batch: file it.
    loose->prev = full_batches;
    full_batches = loose;
    loose = nullptr;
    loose_count = 0;
  }
  s->next = loose;
  loose = s;
  ++loose_count;
}

#endif

}  // namespace weft::detail
