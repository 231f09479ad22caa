// dladdr takes the loader's lock, which another thread may hold and never let go once this process
// dies. glibc's _dl_find_object takes none; the module's own table of symbols is read by hand.
// Proved by: tests/death/overflow_test.cpp.
#include "runtime/frame_name.hpp"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <unistd.h>

#include <cstdint>
#include <string_view>

#if defined(__GLIBC_PREREQ)
#if __GLIBC_PREREQ(2, 35)
#define WEFT_HAS_FIND_OBJECT 1
#endif
#endif

namespace weft::detail {

#if defined(WEFT_HAS_FIND_OBJECT)
namespace {

struct symbol_table {
  const ElfW(Sym)* symbols = nullptr;
  const char* names = nullptr;
  const std::uint32_t* hash = nullptr;  // in GNU's form
};

symbol_table symbols_of(const link_map& module) noexcept {
  symbol_table t;
  // The loader has made addresses of these, but in modules that it cannot write to (the kernel's).
  const auto address = [&](ElfW(Addr) value) { return value < module.l_addr ? value + module.l_addr : value; };
  for (const ElfW(Dyn)* d = module.l_ld; d->d_tag != DT_NULL; ++d) {
    const ElfW(Addr) at = address(d->d_un.d_ptr);
    if (d->d_tag == DT_SYMTAB) t.symbols = reinterpret_cast<const ElfW(Sym)*>(at);
    if (d->d_tag == DT_STRTAB) t.names = reinterpret_cast<const char*>(at);
    if (d->d_tag == DT_GNU_HASH) t.hash = reinterpret_cast<const std::uint32_t*>(at);
  }
  return t;
}

// The table does not say how long it is: the last chain of the hash ends with the last symbol.
std::uint32_t count_of(const symbol_table& t) noexcept {
  const std::uint32_t buckets = t.hash[0];
  const std::uint32_t first = t.hash[1];
  const std::uint32_t bloom_words = t.hash[2];
  const std::uint32_t* bucket = t.hash + 4 + bloom_words * (sizeof(ElfW(Addr)) / 4);
  const std::uint32_t* chain = bucket + buckets;
  std::uint32_t last = 0;
  for (std::uint32_t i = 0; i < buckets; ++i) last = bucket[i] > last ? bucket[i] : last;
  if (last < first) return first;
  while ((chain[last - first] & 1) == 0) ++last;
  return last + 1;
}

const char* function_at(const link_map& module, std::uintptr_t offset) noexcept {
  const symbol_table t = symbols_of(module);
  if (t.symbols == nullptr || t.names == nullptr || t.hash == nullptr) return nullptr;
  const std::uint32_t count = count_of(t);
  for (std::uint32_t i = 0; i < count; ++i) {
    const ElfW(Sym)& s = t.symbols[i];
    if (s.st_shndx == SHN_UNDEF || (s.st_info & 0xf) != STT_FUNC) continue;
    if (offset >= s.st_value && offset - s.st_value < s.st_size) return t.names + s.st_name;
  }
  return nullptr;
}

}  // namespace
#endif

void write_frame_name(signal_text& out, const void* at) noexcept {
#if defined(WEFT_HAS_FIND_OBJECT)
  dl_find_object found{};
  if (_dl_find_object(const_cast<void*>(at), &found) == 0 && found.dlfo_link_map != nullptr) {
    const link_map& module = *found.dlfo_link_map;
    const auto offset = reinterpret_cast<std::uintptr_t>(at) - module.l_addr;
    const char* function = function_at(module, offset);
    if (function != nullptr) out << function << " (";
    if (module.l_name != nullptr && module.l_name[0] != '\0') {
      out << std::string_view(module.l_name);
    } else {
      char program[256];
      const ssize_t n = readlink("/proc/self/exe", program, sizeof program);
      out << (n > 0 ? std::string_view(program, static_cast<std::size_t>(n)) : "the program");
    }
    out << "+";
    out.hex(offset);
    if (function != nullptr) out << ")";
    return;
  }
#endif
  out.hex(reinterpret_cast<std::uintptr_t>(at));
}

}  // namespace weft::detail
