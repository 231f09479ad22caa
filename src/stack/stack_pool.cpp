// Invariants
//   room_for_all: idle_ has room for every stack of every slab, made when the slab is: giving a
//     stack back never allocates.
//   hot_on_top: of idle_, the cold ones (memory returned) lie below the hot ones.
//   used_only_grows: a slab's `used` counts stacks handed out once; blocks below it may be read.
// Guards: MADV_GUARD_INSTALL where the kernel has it, since it leaves the mapping whole; else
// mprotect within a budget taken from vm.max_map_count, since each splits the mapping; beyond that
// stacks are counted as unguarded.
// Proved by: tests/unit/stack_test.cpp.
#include "stack/stack_pool.hpp"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <new>

#include "base/sanitizer.hpp"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#ifndef PIDFD_SELF
#define PIDFD_SELF (-10000)
#endif

namespace weft::detail {

std::atomic<stack_pool*> stack_pool::pools_{nullptr};
std::atomic<std::size_t> stack_pool::total_{0};
std::atomic<std::size_t> stack_pool::unguarded_{0};

namespace {

constexpr std::size_t smallest_slab = 256;  // stacks; a new slab doubles the pool
constexpr std::size_t largest_slab = 8192;
constexpr std::uint32_t guard_batch = 64;
constexpr std::uint32_t colours = 24;
constexpr std::size_t colour_step = 64;
constexpr std::size_t hot_limit = 4096;  // idle stacks that keep their memory, a pool

constinit spin_lock pools_lock;

std::size_t page_size() noexcept {
  static const std::size_t size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

// How many mappings guards may add: half of what the kernel allows and leaves.
std::atomic<long>& mprotect_budget() noexcept {
  static std::atomic<long> budget = [] {
    long limit = 65530;
    if (std::FILE* f = std::fopen("/proc/sys/vm/max_map_count", "re")) {
      if (std::fscanf(f, "%ld", &limit) != 1) limit = 65530;
      std::fclose(f);
    }
    return limit / 4;  // a guard in the middle makes two mappings of one
  }();
  return budget;
}

std::atomic<bool> has_vectored{true};  // process_madvise on oneself: a kernel of 2025, no seccomp

}  // namespace

stack_pool& stack_pool::of_size(std::size_t bytes) {
  const std::size_t page = page_size();
  const std::size_t size =
      (std::max(bytes, std::size_t{16} << 10) + page - 1) / page * page;
  std::lock_guard guard(pools_lock);
  for (stack_pool* p = first_pool(); p != nullptr; p = p->next_pool_) {
    if (p->size_ == size) return *p;
  }
  auto* pool = new stack_pool(size);
  pool->next_pool_ = first_pool();
  pools_.store(pool, std::memory_order_release);  // pairs with first_pool()
  return *pool;
}

stack_pool::stack_pool(std::size_t bytes) noexcept : size_(bytes), spacing_(bytes + page_size()) {}

void* stack_pool::block_of(const slab& s, std::uint32_t index) const noexcept {
  char* top = s.base + (std::size_t{index} + 1) * spacing_;
  return top - (index % colours) * colour_step - control_block_size;
}

char* stack_pool::low_end(void* block) const noexcept {
  const auto address = reinterpret_cast<std::uintptr_t>(block);
  for (slab* s = slabs_.load(std::memory_order_acquire); s != nullptr; s = s->next) {
    const auto base = reinterpret_cast<std::uintptr_t>(s->base);
    if (address >= base && address < base + s->count * spacing_) {
      return s->base + (address - base) / spacing_ * spacing_ + page_size();
    }
  }
  return nullptr;
}

stack_pool::guarded_stack stack_pool::with_guard_at(const void* address) noexcept {
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  for (const stack_pool* p = first_pool(); p != nullptr; p = p->next_pool_) {
    for (const slab* s = p->slabs_.load(std::memory_order_acquire); s != nullptr; s = s->next) {
      const auto base = reinterpret_cast<std::uintptr_t>(s->base);
      if (at < base || at >= base + s->count * p->spacing_) continue;
      const std::size_t index = (at - base) / p->spacing_;
      if ((at - base) % p->spacing_ >= page_size()) return {};
      if (index >= s->used.load(std::memory_order_acquire)) return {};
      return {p->block_of(*s, static_cast<std::uint32_t>(index)),
              s->base + index * p->spacing_ + page_size(), p->size_};
    }
  }
  return {};
}

bool stack_pool::add_slab_locked() noexcept {
  auto count = static_cast<std::uint32_t>(std::clamp(stacks_, smallest_slab, largest_slab));
  void* base = MAP_FAILED;
  // Under a limit of address space a smaller slab may still fit.
  for (; count > 0; count /= 4) {
    base = mmap(nullptr, count * spacing_, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (base != MAP_FAILED) break;
  }
  if (base == MAP_FAILED) return false;
  madvise(base, count * spacing_, MADV_NOHUGEPAGE);  // one page a goroutine, not 512

  auto* s = static_cast<slab*>(std::malloc(sizeof(slab)));
  if (s != nullptr && stacks_ + count > idle_room_) {
    const std::size_t room = std::max(stacks_ + count, idle_room_ * 2);
    auto** idle = static_cast<void**>(std::realloc(idle_, room * sizeof(void*)));
    if (idle == nullptr) {
      std::free(s);
      s = nullptr;
    } else {
      idle_ = idle;
      idle_room_ = room;
    }
  }
  if (s == nullptr) {
    munmap(base, count * spacing_);
    return false;
  }
  ::new (s) slab{slabs_.load(std::memory_order_relaxed), static_cast<char*>(base), count,
                 WEFT_ASAN != 0, 0};
#if WEFT_ASAN
  // What only a parked goroutine refers to is no leak. The leak checker reads the slab, but not what
  // is protected; it cannot know of MADV_GUARD_INSTALL's guards, so they are not used here.
  __lsan_register_root_region(base, count * spacing_);
#endif
  stacks_ += count;
  slabs_.store(s, std::memory_order_release);  // pairs with for_each_block
  return true;
}

// A slab in which the kernel refuses guards (too old, or mlockall) uses mprotect; the next one
// tries anew.
bool stack_pool::guard_page(slab& s, char* page) noexcept {
  if (!s.protects) {
    if (madvise(page, page_size(), MADV_GUARD_INSTALL) == 0) return true;
    s.protects = true;
  }
  if (mprotect_budget().fetch_sub(1, std::memory_order_relaxed) <= 0) return false;
  return mprotect(page, page_size(), PROT_NONE) == 0;
}

void stack_pool::guard_locked(slab& s, std::uint32_t from, std::uint32_t to) noexcept {
  const std::size_t page = page_size();
  if (!s.protects && has_vectored.load(std::memory_order_relaxed) && !on_valgrind()) {
    iovec pages[guard_batch];
    for (std::uint32_t i = from; i < to; ++i) pages[i - from] = {s.base + i * spacing_, page};
    const auto done = syscall(SYS_process_madvise, PIDFD_SELF, pages, to - from,
                              MADV_GUARD_INSTALL, 0);
    if (done >= 0) {
      from += static_cast<std::uint32_t>(static_cast<std::size_t>(done) / page);
    } else {
      has_vectored.store(false, std::memory_order_relaxed);
    }
  }
  for (; from < to; ++from) {
    if (!guard_page(s, s.base + from * spacing_)) {
      unguarded_.fetch_add(1, std::memory_order_relaxed);
    }
  }
}

std::size_t stack_pool::take(void** blocks, std::size_t n) noexcept {
  std::lock_guard guard(lock_);
  std::size_t taken = 0;
  while (taken < n && idle_count_ > 0) {
    blocks[taken++] = idle_[--idle_count_];
    if (hot_count_ > 0) --hot_count_;
  }
  while (taken < n) {
    slab* s = slabs_.load(std::memory_order_relaxed);
    std::uint32_t used = s != nullptr ? s->used.load(std::memory_order_relaxed) : 0;
    if (s == nullptr || used == s->count) {
      if (taken > 0 || !add_slab_locked()) break;
      s = slabs_.load(std::memory_order_relaxed);
      used = 0;
    }
    if (used % guard_batch == 0) guard_locked(*s, used, std::min(used + guard_batch, s->count));
    blocks[taken++] = block_of(*s, used);
#ifdef VALGRIND_STACK_REGISTER
    char* low = s->base + used * spacing_ + page_size();
    (void)VALGRIND_STACK_REGISTER(low, low + size_);
#endif
    s->used.store(used + 1, std::memory_order_release);
    total_.fetch_add(1, std::memory_order_relaxed);
  }
  return taken;
}

bool stack_pool::has_idle() noexcept {
  std::lock_guard guard(lock_);
  const slab* s = slabs_.load(std::memory_order_relaxed);
  return idle_count_ != 0 || (s != nullptr && s->used.load(std::memory_order_relaxed) < s->count);
}

void stack_pool::give_back(void** blocks, std::size_t n) noexcept {
  bool cool = false;
  {
    std::lock_guard guard(lock_);
    cool = hot_count_ + n > hot_limit;
    if (!cool) {
      for (std::size_t i = 0; i < n; ++i) idle_[idle_count_++] = blocks[i];
      hot_count_ += n;
    }
  }
  if (!cool) return;
  for (std::size_t i = 0; i < n; ++i) {
    char* low = low_end(blocks[i]);
    madvise(low, size_, MADV_DONTNEED);  // the guard page survives it
  }
  std::lock_guard guard(lock_);
  // Below the hot ones, whose first so many make room by moving to the top.
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t first_hot = idle_count_ - hot_count_;
    idle_[idle_count_++] = idle_[first_hot];
    idle_[first_hot] = blocks[i];
  }
}

}  // namespace weft::detail
