#include "model/runtime.hpp"

#include <cxxabi.h>
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <new>

#include "base/futex.hpp"
#include "base/thread_state.hpp"
#include "park/park.hpp"
#include "runtime/runtime.hpp"
#include "sched/current.hpp"
#include "sched/locals.hpp"
#include "stack/alternate_stack.hpp"
#include "stack/stack_use.hpp"
#include "weft/go.hpp"
#include "weft/runtime.hpp"

namespace weft_model {

using namespace weft::detail;

namespace {

runtime_core* the_core = nullptr;
worker* workers[most_threads + 1];  // of each thread of the model
int error_numbers[most_threads + 1];

struct job final : seed {
  explicit job(std::function<void()> f) : run_function(std::move(f)) {
    invoke = [](seed* s, worker*, seed_action action) {
      struct count {  // also of one that is left by an exception, or never runs
        int* ended;
        ~count() { ++*ended; }
      } at_end{static_cast<job*>(s)->ended};
      if (action == seed_action::run) static_cast<job*>(s)->run_function();
    };
  }
  std::function<void()> run_function;
  int* ended = nullptr;
};

// Nobody waits for a descriptor here; who polls waits for its interrupt or its limit.
struct model_poller final : poller {
  void poll(std::int64_t until) noexcept override {
    if (until == INT64_MIN) return;
    futex_wait(interrupted, 0, until);
    interrupted.store(0);
  }
  void interrupt() noexcept override {
    interrupted.store(1);
    futex_wake(&interrupted);
  }
  std::size_t waiting() const noexcept override { return 0; }
  atomic<std::uint32_t> interrupted{0};
};

}  // namespace

runtime::runtime(unsigned number, unsigned max_threads, std::unique_ptr<poller> p)
    : core_(new runtime_core) {
  the_core = core_;
  std::memset(workers, 0, sizeof workers);
  weft::options o;
  o.workers = number;
  o.max_threads = max_threads;
  o.seed = 1;
  if (p == nullptr) p = std::make_unique<model_poller>();
  core_->start(o, std::move(p));
}

void runtime::go(std::function<void()> f) {
  auto* j = new job(std::move(f));
  j->ended = &ended_;
  ++started_;
  core_->submit(j);
}

}  // namespace weft_model

namespace weft {

using weft_model::the_core;

clock::time_point clock::now() noexcept { return time_point(duration(detail::steady_now())); }
exit_guard::exit_guard() noexcept : goroutine_(0) {
  if (detail::worker* w = detail::current_worker(); w != nullptr && w->current != nullptr) {
    ++w->current->exit_guards;
  }
}
exit_guard::~exit_guard() {
  if (detail::worker* w = detail::current_worker(); w != nullptr && w->current != nullptr) {
    --w->current->exit_guards;
  }
}

namespace detail {

// ---- What belongs to a thread ------------------------------------------------------------------

worker* current_worker() noexcept { return weft_model::workers[weft_model::thread_number()]; }
void set_current_worker(worker* w) noexcept { weft_model::workers[weft_model::thread_number()] = w; }
exception_globals* thread_exception_globals() noexcept {  // the explorer keeps them apart
  return reinterpret_cast<exception_globals*>(abi::__cxa_get_globals());
}
int* thread_errno() noexcept { return &weft_model::error_numbers[weft_model::thread_number()]; }
int last_error() noexcept { return *thread_errno(); }
std::uint32_t thread_random_below(std::uint32_t n) noexcept { return weft_model::choose(n); }

runtime_core& current_core() { return *the_core; }
runtime_core& default_core() { return *the_core; }
std::atomic<bool> has_membarrier{true};

// ---- Stacks: some for each thread of the model, at the same addresses every time -----------------

namespace {

constexpr std::size_t page = 4096;
constexpr std::size_t stack_bytes = 64 << 10;
constexpr unsigned stacks_a_thread = 6;
constexpr unsigned all_stacks = stacks_a_thread * (weft_model::most_threads + 1);
unsigned given[weft_model::most_threads + 1];

char* stack_memory() {
  static char* const memory = [] {
    void* p = mmap(nullptr, all_stacks * stack_bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) std::abort();
    for (unsigned i = 0; i < all_stacks; ++i) {
      mprotect(static_cast<char*>(p) + i * stack_bytes, page, PROT_NONE);
    }
    return static_cast<char*>(p);
  }();
  return memory;
}

}  // namespace

std::atomic<std::size_t> stack_pool::total_{0};
std::atomic<std::size_t> stack_pool::unguarded_{0};

stack_pool::stack_pool(std::size_t) noexcept : size_(stack_bytes - page), spacing_(stack_bytes) {
  std::memset(given, 0, sizeof given);
  auto* s = new slab;
  s->next = nullptr;
  s->base = stack_memory();
  s->count = all_stacks;
  s->used.store(all_stacks, std::memory_order_relaxed);
  s->memory = new std::atomic<memory_state>[all_stacks];
  for (unsigned i = 0; i < all_stacks; ++i) s->memory[i] = kept;
  slabs_.store(s, std::memory_order_relaxed);
  for (unsigned i = 0; i < all_stacks; ++i) std::memset(block_of(*s, i), 0, control_block_size);
}
stack_pool& stack_pool::of_size(std::size_t bytes) { return *new stack_pool(bytes); }
void* stack_pool::block_of(const slab& s, std::uint32_t index) const noexcept {
  return s.base + (index + 1) * stack_bytes - control_block_size;
}
std::size_t stack_pool::take(void** blocks, std::size_t n, std::size_t* cold) noexcept {
  const unsigned thread = weft_model::thread_number();
  std::size_t taken = 0;
  for (; taken < n && taken < 2 && given[thread] < stacks_a_thread; ++taken) {
    blocks[taken] = block_of(*slabs_.load(std::memory_order_relaxed),
                             thread * stacks_a_thread + given[thread]++);
  }
  weft_model::require(taken != 0, "the model has no stack left");
  if (cold != nullptr) *cold = 1;  // both ways of starting a goroutine
  return taken;
}
void stack_pool::give_back(void**, std::size_t, std::size_t) noexcept {}
bool stack_pool::has_idle() noexcept { return false; }
char* stack_pool::low_end(void* block) const noexcept {
  return static_cast<char*>(block) + control_block_size - size_;
}

// ---- The rest --------------------------------------------------------------------------------------

alternate_stack::alternate_stack() noexcept {}
alternate_stack::~alternate_stack() {}
void seed_pool::give_all_back() noexcept {}
void handle_uncaught(goroutine*, runtime_core&) noexcept { std::abort(); }
void forget_name(goroutine*) noexcept {}
void note_stack_use(runtime_core&, goroutine*) noexcept {}
void forget_stack_use(char*, char*) noexcept {}
bool is_asleep(int) noexcept { return false; }
void end_locals(goroutine*) noexcept {}

}  // namespace detail
}  // namespace weft
