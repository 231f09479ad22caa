#include "model/arena.hpp"

#include <sys/mman.h>

#include <cstdint>
#include <cstring>
#include <utility>

namespace weft_model {

namespace {

constexpr std::size_t most = std::size_t{64} << 20;
constexpr std::size_t grain = 16;
constexpr unsigned char freed_pattern = 0xdb;

char* base = nullptr;
unsigned char* freed = nullptr;  // a flag for each grain
std::size_t used = 0;
bool on = false;

void* reserve(std::size_t size) {
  void* p = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                 -1, 0);
  if (p == MAP_FAILED) std::abort();
  return p;
}

std::size_t grain_of(const void* p) {
  return static_cast<std::size_t>(static_cast<const char*>(p) - base) / grain;
}

}  // namespace

void arena::begin() {
  if (base == nullptr) {
    base = static_cast<char*>(reserve(most));
    freed = static_cast<unsigned char*>(reserve(most / grain));
  }
  std::memset(freed, 0, used / grain + 1);
  used = 0;
  on = true;
}
void arena::end() { on = false; }
bool arena::set(bool is_on) { return std::exchange(on, is_on); }

void* arena::allocate(std::size_t size, std::size_t alignment) {
  if (!on) return alignment <= grain ? std::malloc(size) : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (alignment < grain) alignment = grain;
  const std::size_t at = (used + grain + alignment - 1) / alignment * alignment;  // its size before it
  used = at + (size + grain - 1) / grain * grain;
  if (used > most) std::abort();
  std::memcpy(base + at - grain, &size, sizeof size);
  return base + at;
}

bool arena::contains(const void* p) {
  const auto at = reinterpret_cast<std::uintptr_t>(p);
  const auto first = reinterpret_cast<std::uintptr_t>(base);
  return base != nullptr && at >= first && at < first + most;
}
bool arena::is_freed(const void* p) { return contains(p) && freed[grain_of(p)] != 0; }

void arena::free(void* p) {
  if (!contains(p)) {
    std::free(p);
    return;
  }
  // Of an execution before this one.
  if (static_cast<std::size_t>(static_cast<char*>(p) - base) >= used) return;
  std::size_t size = 0;
  std::memcpy(&size, static_cast<char*>(p) - grain, sizeof size);
  std::memset(p, freed_pattern, size);
  std::memset(freed + grain_of(p), 1, (size + grain - 1) / grain);
}

}  // namespace weft_model

using weft_model::arena;

void* operator new(std::size_t n) { return arena::allocate(n, 1); }
void* operator new[](std::size_t n) { return arena::allocate(n, 1); }
void* operator new(std::size_t n, std::align_val_t a) {
  return arena::allocate(n, static_cast<std::size_t>(a));
}
void* operator new[](std::size_t n, std::align_val_t a) {
  return arena::allocate(n, static_cast<std::size_t>(a));
}
void* operator new(std::size_t n, const std::nothrow_t&) noexcept { return arena::allocate(n, 1); }
void operator delete(void* p) noexcept { arena::free(p); }
void operator delete[](void* p) noexcept { arena::free(p); }
void operator delete(void* p, std::size_t) noexcept { arena::free(p); }
void operator delete[](void* p, std::size_t) noexcept { arena::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { arena::free(p); }
void operator delete[](void* p, std::align_val_t) noexcept { arena::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { arena::free(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { arena::free(p); }
void operator delete(void* p, const std::nothrow_t&) noexcept { arena::free(p); }
