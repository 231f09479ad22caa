// A goroutine that runs over the end of its stack meets the guard below it: SIGSEGV. The handler here
// says whose stack it was and lets the signal kill the process.
//
// ours_alone: only a fault in the guard of the very stack that the code was running on is spoken
//   about. Every other one goes on to the handler that was there before, as the kernel would have
//   called it.
// dies_there: after the message the default action stands, and the handler returns: the instruction
//   faults again, so that status and core are those of the fault itself.
// signal_safe: no allocation, no lock (with glibc from 2.35 on, whose unwinder takes none), a buffer of
//   fixed size. What the name of the goroutine is only its own code changes, and that is stopped here.
// Proved by: tests/death/overflow_test.cpp.
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <string_view>

#include "base/signal_text.hpp"
#include "runtime/frame_name.hpp"
#include "runtime/runtime.hpp"
#include "stack/stack_pool.hpp"
#include "switch/trace.hpp"

namespace weft::detail {

namespace {

struct handler_before {
  int signal;
  struct sigaction action;
  std::atomic<bool> used_up{false};  // SA_RESETHAND
};
handler_before before_segv{SIGSEGV, {}};
handler_before before_bus{SIGBUS, {}};

std::atomic<bool> speaking{false};  // one message is enough

struct machine_state {
  std::uintptr_t stack = 0;  // 0: not known
  void* instruction = nullptr;
};

machine_state state_of([[maybe_unused]] const void* context) noexcept {
#if defined(__x86_64__)
  const auto& registers = static_cast<const ucontext_t*>(context)->uc_mcontext.gregs;
  return {static_cast<std::uintptr_t>(registers[REG_RSP]),
          reinterpret_cast<void*>(registers[REG_RIP])};
#elif defined(__aarch64__)
  const auto& registers = static_cast<const ucontext_t*>(context)->uc_mcontext;
  return {registers.sp, reinterpret_cast<void*>(registers.pc)};
#else
  return {};
#endif
}

// A fault, and no signal that somebody sent: it comes again when the handler returns.
bool is_fault(const siginfo_t* info) noexcept { return info->si_code > 0; }

// The goroutine that ran over its end, or null.
const goroutine* overflowed(const siginfo_t* info, const machine_state& at,
                            stack_pool::guarded_stack& stack) noexcept {
  if (!is_fault(info)) return nullptr;
  stack = stack_pool::with_guard_at(info->si_addr);
  if (stack.block == nullptr) return nullptr;
  const auto* g = static_cast<const goroutine*>(stack.block);
  if (g->state.load(std::memory_order_relaxed) == goroutine_state::none) return nullptr;
  // A stray pointer may hit a guard, too. In the middle of a switch the current one is the next.
  const worker* w = current_worker();
  if (w != nullptr && w->current == g) return g;
  const auto top = reinterpret_cast<std::uintptr_t>(stack.low) + stack.size;
  return at.stack >= top - stack.size && at.stack < top ? g : nullptr;
}

// A recursion's calls are told once, with their number.
template <class At>
void write_calls(signal_text& out, std::size_t count, At at) noexcept {
  for (std::size_t i = 0; i < count;) {
    const std::size_t first = i;
    while (i < count && at(i) == at(first)) ++i;
    out << "    ";
    write_frame_name(out, at(first));
    if (i - first > 1) out << ", " << i - first << " times";
    out << "\n";
    out.flush();
  }
}

void report(const goroutine* g, const stack_pool::guarded_stack& stack, const void* at) noexcept {
  signal_text out;
  out << "weft: goroutine " << g->id.load(std::memory_order_relaxed);
  if (g->name != nullptr) out << " \"" << std::string_view(*g->name).substr(0, 200) << "\"";
  out << ": stack overflow (size " << stack.size / 1024 << " KiB); set options.stack_size to more, "
      << "or let it use less stack. Its calls, innermost first:\n";
  out.flush();  // whatever comes of the rest
  long_trace trace;
  trace_interrupted(at, trace);
  constexpr std::size_t inner = long_trace::most_inner;
  constexpr std::size_t outer = long_trace::most_outer;
  const std::size_t after_gap = trace.count > inner + outer ? trace.count - outer : inner;
  write_calls(out, std::min(trace.count, inner), [&](std::size_t i) { return trace.inner[i]; });
  if (after_gap > inner) out << "    ... " << after_gap - inner << " more ...\n";
  write_calls(out, trace.count > inner ? trace.count - after_gap : 0,
              [&](std::size_t i) { return trace.outer[(after_gap + i - inner) % outer]; });
}

void take_default(int signal, siginfo_t* info) noexcept {
  struct sigaction by_default {};
  by_default.sa_handler = SIG_DFL;
  sigaction(signal, &by_default, nullptr);
  // Blocked until the handler has returned.
  if (!is_fault(info)) syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), signal, info);
}

// As if this handler had never been installed.
void pass_on(handler_before& before, siginfo_t* info, void* context) noexcept {
  const int signal = before.signal;
  const struct sigaction& action = before.action;
  auto* handler = action.sa_handler;
  if ((action.sa_flags & static_cast<int>(SA_RESETHAND)) != 0 && before.used_up.exchange(true)) {
    handler = SIG_DFL;
  }
  if (handler == SIG_IGN && !is_fault(info)) return;
  if (handler == SIG_DFL || handler == SIG_IGN) return take_default(signal, info);
  sigset_t mask_before;
  pthread_sigmask(SIG_BLOCK, &action.sa_mask, &mask_before);
  if ((action.sa_flags & SA_NODEFER) != 0 && sigismember(&action.sa_mask, signal) == 0) {
    sigset_t self;
    sigemptyset(&self);
    sigaddset(&self, signal);
    pthread_sigmask(SIG_UNBLOCK, &self, nullptr);
  }
  if ((action.sa_flags & SA_SIGINFO) != 0) {
    action.sa_sigaction(signal, info, context);
  } else {
    handler(signal);
  }
  pthread_sigmask(SIG_SETMASK, &mask_before, nullptr);
}

void on_fault(int signal, siginfo_t* info, void* context) {
  int* error = thread_errno();
  const int error_before = *error;
  const machine_state at = state_of(context);
  stack_pool::guarded_stack stack;
  if (const goroutine* g = overflowed(info, at, stack)) {
    if (!speaking.exchange(true)) {
      report(g, stack, at.instruction);
    } else {
      // Another thread speaks, and the process dies at its end.
      const timespec a_while{1, 0};
      nanosleep(&a_while, nullptr);
    }
    take_default(signal, info);
  } else {
    pass_on(signal == SIGSEGV ? before_segv : before_bus, info, context);
  }
  *error = error_before;
}

}  // namespace

void install_overflow_report() noexcept {
  for (handler_before* before : {&before_segv, &before_bus}) {
    struct sigaction ours {};
    ours.sa_sigaction = &on_fault;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&ours.sa_mask);
    sigaction(before->signal, nullptr, &before->action);  // there before ours can be called
    sigaction(before->signal, &ours, nullptr);
  }
}

}  // namespace weft::detail
