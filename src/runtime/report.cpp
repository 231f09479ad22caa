// What a runtime says of its goroutines: names, uncaught exceptions, deadlocks.
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <mutex>
#include <string>

#include "os/signals.hpp"
#include "park/park.hpp"
#include "runtime/runtime.hpp"
#include "weft/go.hpp"

namespace weft {
namespace detail {

// ---- Names ---------------------------------------------------------------------------------

namespace {

constinit spin_lock names_lock;  // guards goroutine::name of all, for dumps beside the owner

std::terminate_handler next_terminate_handler = nullptr;

std::string describe(const goroutine* g) {
  return detail::describe(g, g->id.load(std::memory_order_relaxed));
}

std::string message_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "an exception that is no std::exception";
  }
}

[[noreturn]] void on_terminate() {
  const worker* w = current_worker();
  if (w != nullptr && w->current != nullptr) {
    const std::string who = describe(w->current);
    const std::exception_ptr error = std::current_exception();
    // Where instrumentation has put a cleanup, terminate is called before the exception is caught.
    bool is_exit = !error && w->current->unwinds_by_exit && std::uncaught_exceptions() > 0;
    if (error) {
      try {
        std::rethrow_exception(error);
      } catch (const goroutine_exit&) {
        is_exit = true;
      } catch (...) {
      }
    }
    if (is_exit) {
      std::fprintf(stderr,
                   "weft: %s: goroutine_exit, by which the end of a run unwinds it, met a destructor "
                   "or a noexcept function. Hold a weft::exit_guard around a wait in such a place.\n",
                   who.c_str());
    } else {
      std::fprintf(stderr, "weft: std::terminate in %s\n", who.c_str());
    }
  }
  if (next_terminate_handler != nullptr) next_terminate_handler();
  std::abort();
}

}  // namespace

void forget_name(goroutine* g) noexcept {
  std::string* old = nullptr;
  {
    std::lock_guard guard(names_lock);
    old = std::exchange(g->name, nullptr);
  }
  delete old;
}

std::string describe(const goroutine* g, std::uint64_t id) {
  std::string text = "goroutine " + std::to_string(id);
  if (const std::string name = name_of(g); !name.empty()) text += " \"" + name + "\"";
  return text;
}

std::string name_of(const goroutine* g) {
  tsan_blind blind;
  std::lock_guard guard(names_lock);
  return g->name != nullptr ? *g->name : std::string();
}

void install_terminate_handler() noexcept {
  next_terminate_handler = std::set_terminate(&on_terminate);
}

// ---- Uncaught exceptions -------------------------------------------------------------------

void report_uncaught(const options& o, std::exception_ptr error, std::string_view name) noexcept {
  if (o.on_uncaught) {
    // What the handler throws has nowhere to go: std::terminate, by noexcept.
    o.on_uncaught(std::move(error), name);
    return;
  }
  const worker* w = current_worker();
  const std::string who = w != nullptr && w->current != nullptr ? describe(w->current) : "a thread";
  std::fprintf(stderr, "weft: uncaught exception in %s: %s\n", who.c_str(),
               message_of(error).c_str());
  dump_to_stderr();
  std::terminate();
}

void handle_uncaught(goroutine* g, runtime_core& core) noexcept {
  const std::string name = name_of(g);
  report_uncaught(core.settings(), std::current_exception(), name);
}

// ---- Deadlock ------------------------------------------------------------------------------

namespace {

// Threads of the process, or 0 if they cannot be counted. The kernel's own count: the directory of
// threads skips some while others end.
unsigned count_threads() noexcept {
  const int file = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  char text[1024];
  const ssize_t size = read(file, text, sizeof text - 1);
  close(file);
  if (size <= 0) return 0;
  text[size] = 0;
  // The second field, the program's name, stands in parentheses and may hold any character.
  constexpr int fields_to_skip = 18;  // from there to num_threads, the 20th; see proc(5)
  const char* at = std::strrchr(text, ')');
  for (int i = 0; at != nullptr && i < fields_to_skip; ++i) at = std::strchr(at + 1, ' ');
  unsigned n = 0;
  if (at != nullptr) {
    for (++at; *at >= '0' && *at <= '9'; ++at) n = n * 10 + unsigned(*at - '0');
  }
  return n;
}

constexpr unsigned sanitizer_threads = WEFT_TSAN ? 1 : 0;

}  // namespace

bool check_deadlock(runtime_core& core) {
  // What other threads there are is not asked each time that a program rests which is fed by them.
  constexpr std::int64_t look_period = 200'000'000;
  static std::atomic<std::int64_t> next_look{0};
  // Another thread may be about to do something; so may another runtime. All of weft rests before
  // the threads are counted and after it, and nothing of it has moved in between: so none of its
  // goroutines has started a thread since. A thread that has ended before the count has left what it
  // did where the second look sees it. And none of weft's own threads has come or gone, or one of
  // the others would be taken for it.
  const std::uint64_t moved = departures.load();
  const std::uint64_t own = own_threads.load();
  if (any_signal_channel()) return false;
  if (!core.is_quiescent() || !others_are_quiescent(core)) return false;
  const std::int64_t now = steady_now();
  if (now < next_look.load(std::memory_order_relaxed)) return false;
  const unsigned threads = count_threads();
  if (threads == 0 || threads > static_cast<std::uint32_t>(own) + sanitizer_threads) {
    next_look.store(now + look_period, std::memory_order_relaxed);
    return false;
  }
  goroutine* main = core.main_goroutine.load();
  if (main == nullptr || core.is_ending() || main->wait.word.value() != claim_open) return false;
  if (!core.is_quiescent() || !others_are_quiescent(core)) return false;
  if (departures.load() != moved || own_threads.load() != own) return false;
  std::fputs("weft: deadlock: every goroutine waits and nothing can wake one\n", stderr);
  dump_to_stderr();
  if (main->waits_on.load(std::memory_order_relaxed)) {
    std::fputs("weft: main waits where nothing may be thrown; aborting\n", stderr);
    std::abort();
  }
  // Quiescent, so nobody else claims it: main's wait is decided before anything unwinds.
  if (!main->wait.word.claim(claim_deadlock)) return false;
  wake(&main->wait);
  return true;
}

}  // namespace detail

using namespace detail;

namespace this_goroutine {

void name(std::string text) {
  worker* w = current_worker();
  if (w == nullptr || w->current == nullptr) return;
  auto* fresh = new std::string(std::move(text));
  std::string* old = nullptr;
  {
    tsan_blind blind;
    std::lock_guard guard(names_lock);
    old = std::exchange(w->current->name, fresh);
    w->current->has_extras = true;
  }
  delete old;
}

std::string name() {
  const worker* w = current_worker();
  return w != nullptr && w->current != nullptr ? name_of(w->current) : std::string();
}

}  // namespace this_goroutine
}  // namespace weft
