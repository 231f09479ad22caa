#include "support/watchdog.hpp"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <ostream>
#include <streambuf>
#include <string_view>

#include "support/scale.hpp"
#include "weft/runtime.hpp"

namespace weft_test {
namespace {

// Unbuffered, straight to stderr: what is under way in std::cerr does not matter to it.
class stderr_buffer : public std::streambuf {
 protected:
  std::streamsize xsputn(const char* text, std::streamsize size) override {
    return ::write(STDERR_FILENO, text, static_cast<std::size_t>(size));
  }
  int overflow(int c) override {
    const char character = static_cast<char>(c);
    return xsputn(&character, 1) == 1 ? c : traits_type::eof();
  }
};

std::ostream* dump_stream = nullptr;
volatile sig_atomic_t rings = 0;

void say(std::string_view text) {
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
}

// weft::dump is not made for signal handlers. The process is lost anyway, so try, and give up at
// the second ring.
void on_alarm(int) {
  const int ring = rings;
  rings = ring + 1;
  if (ring == 0) {
    alarm(10);
    say("\nthe test hangs; its goroutines:\n");
    weft::dump(*dump_stream);
  } else {
    say("\nthe dump hangs, too\n");
  }
  std::abort();
}

// The kernel prefers the main thread for an alarm; give its handler room of its own.
void give_signal_stack() {
  constexpr std::size_t size = 256 * 1024;
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return;
  const stack_t stack{.ss_sp = memory, .ss_flags = 0, .ss_size = size};
  sigaltstack(&stack, nullptr);
}

unsigned limit_in_seconds() {
  if (const char* text = std::getenv("WEFT_TEST_TIMEOUT")) {
    return static_cast<unsigned>(std::strtoul(text, nullptr, 10));
  }
  return under_asan || under_tsan || under_valgrind ? 600 : 120;
}

}  // namespace

void start_watchdog() {
  static stderr_buffer buffer;
  static std::ostream stream(&buffer);
  dump_stream = &stream;
  give_signal_stack();
  struct sigaction action {};
  action.sa_handler = on_alarm;
  action.sa_flags = SA_NODEFER | SA_ONSTACK | SA_RESTART;
  sigaction(SIGALRM, &action, nullptr);
  alarm(limit_in_seconds());
}

}  // namespace weft_test
