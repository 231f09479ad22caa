// The list of all goroutines, with the stacks of those that do not run.
//
// Goroutines begin and end meanwhile: what is read of one is read while it is held, or shown with the
// id that it had before and after. Nothing is allocated and no foreign code is called while one is
// held; the addresses get their names afterwards.
// Proved by: tests/conformance/dump.cpp.
#include <cxxabi.h>
#include <dlfcn.h>
#include <link.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <ostream>
#include <sstream>
#include <string>
#include <vector>

#include "runtime/runtime.hpp"
#include "switch/trace.hpp"

namespace weft {
namespace detail {

namespace {

constexpr std::size_t most_traces = 100;          // a dump
constexpr std::size_t most_runnable_traces = 50;  // of these

// Room below the caller's frame.
std::size_t stack_left() noexcept {
  const worker* w = current_worker();
  if (w == nullptr || w->current == nullptr) return std::size_t{1} << 20;
  const char here = 0;
  const auto low = reinterpret_cast<std::uintptr_t>(w->core->stacks().low_end(w->current));
  const auto at = reinterpret_cast<std::uintptr_t>(&here);
  return at > low ? at - low : 0;
}

// The demangler keeps its parts on the stack, about 100 bytes for each character.
std::string readable(const char* symbol) {
  std::string text = symbol;
  if (100 * text.size() + 8192 > stack_left()) return text;
  int status = 0;
  if (char* plain = abi::__cxa_demangle(symbol, nullptr, nullptr, &status)) {
    text = plain;
    std::free(plain);
  }
  return text;
}

class address_names {
 public:
  const std::string& of(void* at) {
    const auto [place, is_new] = known_.try_emplace(at);
    if (is_new) place->second = look_up(at);
    return place->second;
  }

 private:
  static std::string look_up(void* at) {
    char number[32];
    Dl_info info{};
    if (dladdr(at, &info) == 0 || info.dli_fname == nullptr) {
      std::snprintf(number, sizeof number, "%p", at);
      return number;
    }
    // What addr2line wants: an offset, but in a program that is not position independent.
    const auto* header = static_cast<const ElfW(Ehdr)*>(info.dli_fbase);
    auto offset = reinterpret_cast<std::uintptr_t>(at);
    if (header->e_type != ET_EXEC) offset -= reinterpret_cast<std::uintptr_t>(info.dli_fbase);
    std::snprintf(number, sizeof number, "+0x%zx", static_cast<std::size_t>(offset));
    const std::string place = std::string(info.dli_fname) + number;
    return info.dli_sname != nullptr ? readable(info.dli_sname) + " (" + place + ")" : place;
  }
  std::map<void*, std::string> known_;
};

// A goroutine that stood in a queue.
struct runnable_one {
  const goroutine* who = nullptr;
  std::uint64_t id = 0;
  stack_trace trace;
};

// Everything that is collected while goroutines are held has its room before.
class inspection {
 public:
  inspection() : first_(first_core()) {
    if (!WEFT_HAS_TRACES) return;
    runnable_.resize(most_runnable_traces);
    for (runtime_core* c = first_; c != nullptr; c = c->next_core) c->hold_claims();
    for (core_ = first_; core_ != nullptr; core_ = core_->next_core) {
      if (core_->in_use) core_->visit_runnable(&inspection::note_runnable, this);
    }
  }
  ~inspection() {
    if (!WEFT_HAS_TRACES) return;
    for (runtime_core* c = first_; c != nullptr; c = c->next_core) c->release_claims();
  }
  inspection(const inspection&) = delete;
  inspection& operator=(const inspection&) = delete;

  const stack_trace* find_runnable(const goroutine* g, std::uint64_t id) const noexcept {
    for (std::size_t i = 0; i < runnable_count_; ++i) {
      if (runnable_[i].who == g && runnable_[i].id == id) return &runnable_[i].trace;
    }
    return nullptr;
  }
  // Holds the goroutine, if it is parked and may be held; takes its trace, if there may be another.
  bool hold(goroutine* g, stack_trace& into) noexcept {
    into.count = 0;
    if (!WEFT_HAS_TRACES) return false;
    runtime_core* core = g->core.load(std::memory_order_relaxed);
    runtime_core* c = first_;
    while (c != nullptr && c != core) c = c->next_core;
    if (c == nullptr || !g->wait.word.hold()) return false;  // or of a runtime that began meanwhile
    if (taken_ < most_traces && core->trace_held(g, into)) ++taken_;
    return true;
  }

 private:
  static void note_runnable(goroutine* g, void* self) {
    auto& in = *static_cast<inspection*>(self);
    if (in.runnable_count_ == most_runnable_traces) return;
    runnable_one& r = in.runnable_[in.runnable_count_];
    r.who = g;
    r.id = g->id.load(std::memory_order_relaxed);
    if (!in.core_->trace_held(g, r.trace)) return;
    ++in.runnable_count_;
    ++in.taken_;
  }

  runtime_core* first_;
  runtime_core* core_ = nullptr;
  std::size_t taken_ = 0;
  std::size_t runnable_count_ = 0;
  std::vector<runnable_one> runnable_;
};

// Coroutines have neither ids nor names, and there may be a million: a line for each kind of wait.
void dump_suspended(std::ostream& out, runtime_core& core, std::int64_t now) {
  struct kind {
    const char* what = nullptr;
    std::size_t count = 0;
    std::int64_t since = 0;
  };
  constexpr std::size_t most = 16;
  kind kinds[most];
  core.for_each_suspended([&](const suspension& s) {
    kind* k = kinds;
    while (k != kinds + most - 1 && k->what != nullptr && k->what != s.type->what) ++k;
    if (k->count == 0 || s.since < k->since) k->since = s.since;
    k->what = s.type->what;
    ++k->count;
  });
  for (const kind& k : kinds) {
    if (k.count == 0) break;
    const std::int64_t ms = (now - k.since) / 1'000'000;
    out << k.count << (k.count == 1 ? " coroutine" : " coroutines") << " suspended in " << k.what
        << (k.count == 1 ? " for " : ", the longest for ") << (ms > 0 ? ms : 0) << " ms\n";
  }
}

bool is_running(const goroutine* g) noexcept {
  const runtime_core* core = g->core.load(std::memory_order_relaxed);
  return core != nullptr && core->runs(g);
}

}  // namespace

void dump_to_stderr() noexcept {
  try {
    std::ostringstream text;
    dump(text);
    std::fputs(text.str().c_str(), stderr);
  } catch (...) {
    std::fputs("weft: no memory for a dump\n", stderr);
  }
}

}  // namespace detail

using namespace detail;

void dump(std::ostream& out) {
  tsan_blind blind;
  const std::int64_t now = steady_now();
  inspection in;
  address_names names;
  stack_trace trace;
  const goroutine* caller = nullptr;
  if (const worker* w = current_worker(); w != nullptr) caller = w->current;
  const auto print_trace = [&](const stack_trace& t) {
    for (std::size_t i = 0; i < t.count; ++i) out << "    " << names.of(t.frames[i]) << '\n';
  };
  if (!WEFT_HAS_TRACES) out << "(in this build there are no stack traces)\n";
  for (stack_pool* pool = stack_pool::first_pool(); pool != nullptr; pool = pool->next_pool()) {
    pool->for_each_block([&](void* block) {
      auto* g = static_cast<goroutine*>(block);
      if (g->state.load(std::memory_order_acquire) == goroutine_state::none) return;
      const bool held = in.hold(g, trace);
      const std::uint64_t id = g->id.load(std::memory_order_relaxed);
      const std::uint32_t word = held ? std::uint32_t{claim_open} : g->wait.word.value();
      const char* what = g->waits_for.load(std::memory_order_relaxed);
      const std::int64_t since = g->waits_since.load(std::memory_order_relaxed);
      if (held) g->wait.word.unhold();
      out << describe(g, id);
      if (word == claim_open || word == claim_held) {
        const std::int64_t ms = (now - since) / 1'000'000;
        out << ": parked in " << (what != nullptr ? what : "a wait") << " for " << (ms > 0 ? ms : 0)
            << " ms\n";
        print_trace(trace);
      } else if (g == caller) {
        out << ": running, here\n";
        trace_here(trace);
        print_trace(trace);
      } else if (const stack_trace* t = in.find_runnable(g, id)) {
        out << ": runnable\n";
        print_trace(*t);
      } else {
        out << (is_running(g) ? ": running\n" : ": runnable\n");
      }
    });
  }
  for (runtime_core* c = first_core(); c != nullptr; c = c->next_core) {
    if (!c->in_use) continue;
    dump_suspended(out, *c, now);
    if (const std::size_t n = c->unstarted(); n != 0) {
      out << n << (n == 1 ? " goroutine has" : " goroutines have") << " not started yet\n";
    }
  }
}

}  // namespace weft
