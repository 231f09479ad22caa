// Stacks for goroutines: slabs of many at one spacing, each with a guard page below it.
//
// The control block of a goroutine lies at the top of its stack, so that a fresh goroutine touches
// one page. It is named by its address; this layer only knows its size. The block's memory stays
// mapped for the life of the process, readable at any time by who looks for goroutines.
//
// Tops are coloured: at one spacing they would share cache sets.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/spin_lock.hpp"

namespace weft::detail {

// Bytes that a stack keeps free at its top for the control block.
inline constexpr std::size_t control_block_size = 384;

class stack_pool {
 public:
  // The pool of a stack size, which is rounded up to pages. Pools live for ever.
  static stack_pool& of_size(std::size_t bytes);
  static stack_pool* first_pool() noexcept { return pools_.load(std::memory_order_acquire); }
  stack_pool* next_pool() const noexcept { return next_pool_; }

  // Takes up to n stacks, as addresses of their control blocks, and says how many: 0, out of
  // memory. Neighbours come in the order of their addresses. A block that was never used is all zero.
  // The last `cold` of them have no memory yet: the first touch enters the kernel.
  std::size_t take(void** blocks, std::size_t n, std::size_t* cold = nullptr) noexcept;
  // Gives back; the first `cold` were not touched since they were taken. Idle stacks beyond `hot_limit`
  // return their memory to the system.
  void give_back(void** blocks, std::size_t n, std::size_t cold = 0) noexcept;

  // Whether one could be taken without asking the system for memory.
  bool has_idle() noexcept;

  std::size_t stack_size() const noexcept { return size_; }
  // The stack below a control block: [low, block).
  char* low_end(void* block) const noexcept;

  // The stack in whose guard an address lies, used ones only; without a block, none. May be called
  // in a signal handler.
  struct guarded_stack {
    void* block = nullptr;
    char* low = nullptr;      // where the guard ends
    std::size_t size = 0;     // stack_size()
  };
  static guarded_stack with_guard_at(const void* address) noexcept;

  // Visits the control block of every stack that is taken, or idle and keeps its memory: to read one
  // of the others would cost a page fault.
  template <class Visit>
  void for_each_block(Visit visit) noexcept {
    for (slab* s = slabs_.load(std::memory_order_acquire); s != nullptr; s = s->next) {
      const std::uint32_t used = s->used.load(std::memory_order_acquire);
      for (std::uint32_t i = 0; i < used; ++i) {
        if (s->memory[i].load(std::memory_order_acquire) == kept) visit(block_of(*s, i));
      }
    }
  }

  static std::size_t total_stacks() noexcept { return total_.load(std::memory_order_relaxed); }
  static std::size_t unguarded_stacks() noexcept {
    return unguarded_.load(std::memory_order_relaxed);
  }

 private:
  // Of a stack. The value of memory that was just made is the first.
  enum memory_state : std::uint8_t { never_used, kept, returned };
  struct slab {
    slab* next;
    char* base;
    std::uint32_t count;
    std::atomic<bool> protects;         // guards by mprotect
    std::atomic<std::uint32_t> used;    // reserved: guarded, or about to be
    std::atomic<memory_state>* memory;  // of each stack, behind the slab; by who has taken it
  };
  struct reservation {
    slab* in = nullptr;
    std::uint32_t from = 0, to = 0;
  };

  explicit stack_pool(std::size_t bytes) noexcept;
  void* block_of(const slab&, std::uint32_t index) const noexcept;
  slab* slab_of(const void* block, std::uint32_t& index) const noexcept;
  std::atomic<memory_state>& memory_of(const void* block) noexcept;
  bool add_slab_locked() noexcept;
  reservation reserve_locked() noexcept;
  void push_cold_locked(void* block) noexcept;
  void guard(const reservation&) noexcept;
  bool guard_page(slab&, char* page) noexcept;
  void return_memory(void** blocks, std::size_t n) noexcept;

  const std::size_t size_;     // usable bytes, control block included
  const std::size_t spacing_;  // size_ and the guard page
  stack_pool* next_pool_ = nullptr;

  spin_lock lock_;  // guards what follows but the atomics' reading
  std::atomic<slab*> slabs_{nullptr};
  mutable std::atomic<slab*> last_found_{nullptr};  // by slab_of: neighbours come one after the other
  std::size_t stacks_ = 0;  // in all slabs
  void** idle_ = nullptr;   // LIFO; with room for every stack of every slab
  std::size_t idle_room_ = 0;
  std::size_t idle_count_ = 0;
  std::size_t reserved_ = 0;   // batches that get their guards
  std::size_t hot_count_ = 0;  // of the idle ones, those that keep their memory: the newest

  static std::atomic<stack_pool*> pools_;
  static std::atomic<std::size_t> total_;
  static std::atomic<std::size_t> unguarded_;
};

}  // namespace weft::detail
