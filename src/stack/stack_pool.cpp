// Invariants
//   room_for_all: idle_ has room for every stack of every slab, made when the slab is: giving a
//     stack back never allocates.
//   hot_on_top: of idle_, the cold ones (memory returned, or never used) lie below the hot ones.
//   used_only_grows: a slab's `used` counts stacks reserved once; blocks below it may be read.
//   none_is_missed: who finds none idle and can reserve none waits for those who have reserved some.
//   no_call_under_lock: guards are installed and memory is returned without the lock, by who has
//     reserved or gives back the stacks, 64 and 32 at a time. Under it the other workers waited 20 us,
//     and with a call a stack each interrupted all CPUs.
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
constexpr std::size_t return_batch = 32;
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

// process_madvise on oneself: a kernel of 2025, no seccomp.
std::atomic<bool> has_vectored{true};
std::atomic<bool> returns_vectored{true};

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

stack_pool::slab* stack_pool::slab_of(const void* block, std::uint32_t& index) const noexcept {
  const auto address = reinterpret_cast<std::uintptr_t>(block);
  const auto is_in = [&](const slab& s) {
    const auto base = reinterpret_cast<std::uintptr_t>(s.base);
    if (address < base || address >= base + s.count * spacing_) return false;
    index = static_cast<std::uint32_t>((address - base) / spacing_);
    return true;
  };
  slab* s = last_found_.load(std::memory_order_acquire);
  if (s != nullptr && is_in(*s)) return s;
  s = slabs_.load(std::memory_order_acquire);
  while (s != nullptr && !is_in(*s)) s = s->next;
  if (s != nullptr) last_found_.store(s, std::memory_order_release);
  return s;
}

char* stack_pool::low_end(void* block) const noexcept {
  std::uint32_t index = 0;
  const slab* s = slab_of(block, index);
  return s != nullptr ? s->base + index * spacing_ + page_size() : nullptr;
}

std::atomic<stack_pool::memory_state>& stack_pool::memory_of(const void* block) noexcept {
  std::uint32_t index = 0;
  return slab_of(block, index)->memory[index];
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

  static_assert(sizeof(std::atomic<memory_state>) == 1);
  auto* s = static_cast<slab*>(std::calloc(1, sizeof(slab) + count));
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
  auto* memory = reinterpret_cast<std::atomic<memory_state>*>(s + 1);
  for (std::uint32_t i = 0; i < count; ++i) ::new (memory + i) std::atomic<memory_state>(never_used);
  ::new (s) slab{slabs_.load(std::memory_order_relaxed), static_cast<char*>(base), count,
                 WEFT_ASAN != 0, 0, memory};
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
  if (!s.protects.load(std::memory_order_relaxed)) {
    if (madvise(page, page_size(), MADV_GUARD_INSTALL) == 0) return true;
    s.protects.store(true, std::memory_order_relaxed);
  }
  if (mprotect_budget().fetch_sub(1, std::memory_order_relaxed) <= 0) return false;
  return mprotect(page, page_size(), PROT_NONE) == 0;
}

void stack_pool::guard(const reservation& r) noexcept {
  const std::size_t page = page_size();
  slab& s = *r.in;
  std::uint32_t from = r.from;
  if (!s.protects.load(std::memory_order_relaxed) && has_vectored.load(std::memory_order_relaxed) &&
      !on_valgrind()) {
    iovec pages[guard_batch];
    for (std::uint32_t i = from; i < r.to; ++i) pages[i - from] = {s.base + i * spacing_, page};
    const auto done = syscall(SYS_process_madvise, PIDFD_SELF, pages, r.to - from,
                              MADV_GUARD_INSTALL, 0);
    if (done >= 0) {
      from += static_cast<std::uint32_t>(static_cast<std::size_t>(done) / page);
    } else {
      has_vectored.store(false, std::memory_order_relaxed);
    }
  }
  for (; from < r.to; ++from) {
    if (!guard_page(s, s.base + from * spacing_)) {
      unguarded_.fetch_add(1, std::memory_order_relaxed);
    }
  }
#ifdef VALGRIND_STACK_REGISTER
  for (std::uint32_t i = r.from; i < r.to; ++i) {
    char* low = s.base + i * spacing_ + page;
    (void)VALGRIND_STACK_REGISTER(low, low + size_);
  }
#endif
}

// The next that were never used. Empty: out of memory.
stack_pool::reservation stack_pool::reserve_locked() noexcept {
  slab* s = slabs_.load(std::memory_order_relaxed);
  if (s == nullptr || s->used.load(std::memory_order_relaxed) == s->count) {
    if (!add_slab_locked()) return {};
    s = slabs_.load(std::memory_order_relaxed);
  }
  const std::uint32_t from = s->used.load(std::memory_order_relaxed);
  const std::uint32_t to = std::min(from + guard_batch, s->count);
  s->used.store(to, std::memory_order_release);
  return {s, from, to};
}

// Below the hot ones, whose lowest makes room by moving to the top.
void stack_pool::push_cold_locked(void* block) noexcept {
  const std::size_t first_hot = idle_count_ - hot_count_;
  idle_[idle_count_++] = idle_[first_hot];
  idle_[first_hot] = block;
}

std::size_t stack_pool::take(void** blocks, std::size_t n, std::size_t* cold) noexcept {
  std::size_t taken = 0;
  std::size_t hot = 0;
  for (backoff b;; b.wait()) {
    reservation fresh;
    {
      std::lock_guard guard(lock_);
      taken = std::min(n, idle_count_);
      hot = std::min(n, hot_count_);
      for (std::size_t i = 0; i < taken; ++i) blocks[i] = idle_[--idle_count_];
      hot_count_ -= hot;
      if (taken > 0) break;
      fresh = reserve_locked();
      if (fresh.in == nullptr) {
        if (reserved_ == 0) return 0;
        continue;  // somebody is about to add some
      }
      ++reserved_;
    }
    guard(fresh);
    std::lock_guard guard(lock_);
    --reserved_;
    taken = std::min<std::size_t>(n, fresh.to - fresh.from);
    for (std::uint32_t i = 0; i < taken; ++i) blocks[i] = block_of(*fresh.in, fresh.from + i);
    // Newest first out, so the lowest address goes in last.
    for (auto i = fresh.to; i-- > fresh.from + taken;) push_cold_locked(block_of(*fresh.in, i));
    break;
  }
  // Before a goroutine is there: see for_each_block.
  for (std::size_t i = hot; i < taken; ++i) {
    if (memory_of(blocks[i]).exchange(kept, std::memory_order_acq_rel) == never_used) {
      total_.fetch_add(1, std::memory_order_relaxed);
    }
  }
  if (cold != nullptr) *cold = taken - hot;
  return taken;
}

bool stack_pool::has_idle() noexcept {
  std::lock_guard guard(lock_);
  const slab* s = slabs_.load(std::memory_order_relaxed);
  return idle_count_ != 0 || reserved_ != 0 || (s != nullptr && s->used.load(std::memory_order_relaxed) < s->count);
}

void stack_pool::return_memory(void** blocks, std::size_t n) noexcept {
  iovec stacks[return_batch];
  for (std::size_t i = 0; i < n;) {
    const std::size_t most = std::min(n - i, return_batch);
    std::size_t done = 0;
    for (std::size_t k = 0; k < most; ++k) stacks[k] = {low_end(blocks[i + k]), size_};
    if (returns_vectored.load(std::memory_order_relaxed) && !on_valgrind()) {
      const auto bytes = syscall(SYS_process_madvise, PIDFD_SELF, stacks, most, MADV_DONTNEED, 0);
      if (bytes >= 0) {
        done = static_cast<std::size_t>(bytes) / size_;
      } else {
        returns_vectored.store(false, std::memory_order_relaxed);
      }
    }
    // The guard pages survive it.
    for (; done < most; ++done) madvise(stacks[done].iov_base, size_, MADV_DONTNEED);
    i += most;
  }
}

void stack_pool::give_back(void** blocks, std::size_t n, std::size_t cold) noexcept {
  void** hot = blocks + cold;
  n -= cold;
  {
    std::lock_guard guard(lock_);
    if (hot_count_ + n <= hot_limit) {
      for (std::size_t i = 0; i < n; ++i) idle_[idle_count_++] = hot[i];
      hot_count_ += n;
      n = 0;
      if (cold == 0) return;
    }
  }
  // Nobody else has them, so the lock is not needed for this.
  for (std::size_t i = 0; i < cold + n; ++i) {
    memory_of(blocks[i]).store(returned, std::memory_order_relaxed);
  }
  return_memory(hot, n);
  std::lock_guard guard(lock_);
  for (std::size_t i = 0; i < cold + n; ++i) push_cold_locked(blocks[i]);
}

}  // namespace weft::detail
