// Where the system refuses something, weft goes another way: the same program runs in children to
// which the kernel says no.
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <weft/weft.hpp>

#include "base/barrier.hpp"
#include "conformance/collect.hpp"
#include "stack/stack_pool.hpp"
#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/opaque.hpp"
#include "support/scale.hpp"
#include "unit/guard_probe.hpp"
#include "unit/own_stderr.hpp"
#include "unit/refuse.hpp"

using namespace std::chrono_literals;

namespace {

constexpr int guard_install = 102;  // MADV_GUARD_INSTALL

void ping_pong(int rounds, std::atomic<int>& sum) {
  weft::chan<int> there;
  weft::chan<int> back;
  weft::wait_group group;
  group.go([=] {
    while (auto v = there.recv()) back.send(*v + 1);
  });
  int v = 0;
  for (int i = 0; i < rounds; ++i) {
    there.send(v);
    v = *back.recv();
  }
  there.close();
  group.wait();
  sum += v;
}

// Talks, is stolen, sleeps, waits for descriptors, and leaves some behind for the end.
void workload() {
  std::atomic<int> sum = 0;
  std::atomic<int> unwound = 0;
  weft::run([&] {
    weft::wait_group group;
    for (int i = 0; i < 4; ++i) group.go([&] { ping_pong(500, sum); });  // 2000
    for (int i = 0; i < 2000; ++i) group.go([&] { ++sum; });             // 2000
    for (int i = 0; i < 50; ++i) {
      group.go([&, i] {
        weft::sleep_for(std::chrono::microseconds(100 * i));
        ++sum;  // 50
      });
    }
    auto ends = weft::pipe();
    group.go([&] {
      std::array<std::byte, 10> bytes{};
      sum += int(ends.reader.read_full(bytes));  // 10
    });
    for (int i = 0; i < 10; ++i) {
      weft::sleep_for(100us);
      ends.writer.write("x");
    }
    group.wait();
    weft::chan<void> never;
    for (int i = 0; i < 100; ++i) {
      weft::go([&, never] {
        const weft_test::at_end count([&] { ++unwound; });
        never.recv();
      });
    }
    weft_test::until_parked(100);
    const auto stats = weft::stats();
    std::cout << "unguarded " << (stats.unguarded_stacks != 0) << '\n';
  });
  std::cout << "sum " << sum << " left " << unwound << '\n';
}

const std::string all_done = "unguarded 0\nsum 4060 left 100\n";

int error_of_test() { return std::atoi(std::getenv("WEFT_TEST_ERRNO")); }

WEFT_CHILD_CASE("nothing-refused") { workload(); }

WEFT_CHILD_CASE("no-process-madvise") {
  weft_test::refuse(SYS_process_madvise, error_of_test());
  workload();
}

void refuse_guards(int error) {
  weft_test::refuse(SYS_process_madvise, error);
  weft_test::refuse(SYS_madvise, error, guard_install);
}

WEFT_CHILD_CASE("no-guard-advice") {
  refuse_guards(error_of_test());
  workload();
}

// All advice, huge pages and the return of memory included.
WEFT_CHILD_CASE("no-madvise") {
  weft_test::refuse(SYS_process_madvise, error_of_test());
  weft_test::refuse(SYS_madvise, error_of_test());
  workload();
}

WEFT_CHILD_CASE("no-membarrier") {
  weft_test::refuse(SYS_membarrier, error_of_test());
  workload();
  std::cout << "membarrier " << weft::detail::has_membarrier << '\n';
}

WEFT_CHILD_CASE("no-epoll-pwait2") {
  weft_test::refuse(SYS_epoll_pwait2, error_of_test());
  workload();
}

WEFT_CHILD_CASE("nothing-new") {
  refuse_guards(error_of_test());
  weft_test::refuse(SYS_membarrier, error_of_test());
  weft_test::refuse(SYS_epoll_pwait2, error_of_test());
  workload();
}

WEFT_TEST_OPAQUE int descend(volatile int* above, long levels) {
  volatile int frame[64];
  frame[0] = *above + 1;
  return levels == 0 ? 0 : descend(frame, levels - 1) + frame[0];
}

WEFT_CHILD_CASE("overflow-on-an-mprotect-guard") {
  refuse_guards(EINVAL);
  weft::run([] {
    std::cout << "runs" << std::endl;
    volatile int top = 0;
    descend(&top, 1'000'000);
  });
}

// Where each guard splits a mapping their number is bounded; the others are counted.
WEFT_CHILD_CASE("more-stacks-than-mappings") {
  refuse_guards(EINVAL);
  auto& pool = weft::detail::stack_pool::of_size(16 << 10);
  std::vector<void*> blocks(64 * 1024);
  for (std::size_t n = 0; n < blocks.size();) {
    n += pool.take(blocks.data() + n, blocks.size() - n);
  }
  weft_test::memory_probe probe;
  std::size_t unguarded = 0;
  for (void* block : blocks) unguarded += probe.can_read(pool.low_end(block) - 1);
  std::cout << "some " << (unguarded > 0) << " not all " << (unguarded < blocks.size())
            << " counted " << (unguarded == weft::detail::stack_pool::unguarded_stacks()) << '\n';
  // Mappings are left for others.
  void* memory = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  std::cout << "room " << (memory != MAP_FAILED) << '\n';
}

// Not even the first thread.
WEFT_CHILD_CASE("no-threads") {
  weft_test::refuse(SYS_clone3, ENOSYS);
  weft_test::refuse(SYS_clone, EAGAIN);
  for (int i = 0; i < 2; ++i) {
    try {
      weft::run([] {});
      std::cout << "ran\n";
    } catch (const std::system_error& e) {
      std::cout << e.code().value() << '\n';
    }
  }
}

// No more than there are when main starts, and all of those kept until the refusal was told.
WEFT_CHILD_CASE("no-more-threads") {
  weft_test::own_stderr err;
  std::atomic<int> sum = 0;
  std::atomic<bool> told = false;
  std::thread outside([&] {
    err.wait_for("refuses another thread");
    told = true;
  });
  weft::run({.workers = 64, .detect_deadlock = false}, [&] {
    weft_test::refuse(SYS_clone3, ENOSYS);
    weft_test::refuse(SYS_clone, EAGAIN);
    weft::wait_group group;
    for (unsigned i = 0; i < weft::stats().threads; ++i) {
      group.go([&] {
        while (!told) std::this_thread::yield();
      });
    }
    for (int i = 0; i < 4; ++i) group.go([&] { ping_pong(100, sum); });
    for (int i = 0; i < 1000; ++i) group.go([&] { ++sum; });
    group.wait();
  });
  outside.join();
  std::cout << sum << '\n';
}

// The stand-in for a goroutine that blocks is refused. What waited goes on when that one comes back,
// and that nothing more can happen then is still seen.
WEFT_CHILD_CASE("no-stand-in-and-a-deadlock") {
  try {
    weft::run({.workers = 1}, [] {
      weft_test::refuse(SYS_clone3, ENOSYS);
      weft_test::refuse(SYS_clone, EAGAIN);
      weft::chan<int> c(1);
      weft::go([c] { c.send(1); });
      weft::go([] { usleep(200'000); });
      std::cout << *c.recv() << std::endl;
      c.recv();
    });
  } catch (const weft::deadlock_error&) {
    std::cout << "deadlock\n";
  }
}

// An address space that holds few stacks: goroutines start as others end.
WEFT_CHILD_CASE("no-room-for-stacks") {
  weft_test::own_stderr err;
  std::atomic<bool> told = false;
  std::thread outside([&] {
    err.wait_for("no memory for another stack");
    told = true;
  });
  int ended = 0;
  weft::run({.workers = 1, .stack_size = 1 << 20}, [&] {
    std::ifstream statm("/proc/self/statm");
    rlim_t pages = 0;
    statm >> pages;
    const rlim_t limit = pages * 4096 + (rlim_t{80} << 20);
    const rlimit bound{limit, limit};
    setrlimit(RLIMIT_AS, &bound);
    weft::chan<void> tokens;
    weft::chan<void> ends;
    for (int i = 0; i < 1000; ++i) {
      weft::go([=] {
        tokens.recv();
        ends.send();
      });
    }
    while (!told) weft::sleep_for(1ms);
    for (; ended < 1000; ++ended) {
      tokens.send();
      ends.recv();
    }
  });
  outside.join();
  std::cout << ended << '\n';
}

weft_test::child_result run_refusing(const std::string& name, int error) {
  return weft_test::run_child(name, {.env = {"WEFT_TEST_ERRNO=" + std::to_string(error)}});
}

}  // namespace

TEST_CASE("the program itself") {
  const auto child = run_refusing("nothing-refused", 0);
  CHECK(child.out == all_done);
  CHECK(child.exit_code == 0);
}

TEST_CASE("one call after another refused, however it is said") {
  const int error = GENERATE(ENOSYS, EPERM, EINVAL);
  for (const std::string name :
       {"no-process-madvise", "no-guard-advice", "no-madvise", "no-epoll-pwait2", "nothing-new"}) {
    // The sanitizers need that call themselves.
    if (name == "no-madvise" && (weft_test::under_tsan || weft_test::under_asan)) continue;
    const auto child = run_refusing(name, error);
    CAPTURE(name, error, child.err);
    CHECK(child.out == all_done);
    CHECK(child.exit_code == 0);
  }
  const auto child = run_refusing("no-membarrier", error);
  CAPTURE(error, child.err);
  CHECK(child.out == all_done + "membarrier 0\n");
  CHECK(child.exit_code == 0);
}

TEST_CASE("guards by mprotect guard") {
  const auto child =
      weft_test::run_child("overflow-on-an-mprotect-guard",
                           {.env = {"ASAN_OPTIONS=handle_segv=0:allow_user_segv_handler=1",
                                    "TSAN_OPTIONS=handle_segv=0"}});
  CHECK(child.out == "runs\n");
  CHECK(child.signal == SIGSEGV);
  // Without a guard it dies, too, further down.
  if (!weft_test::under_tsan && !weft_test::under_asan) {
    CHECK_THAT(child.err, weft_test::contains("stack overflow"));
  }
}

TEST_CASE("stacks beyond the number of mappings are unguarded and counted") {
  std::size_t most = 0;
  std::ifstream("/proc/sys/vm/max_map_count") >> most;
  if (most >= std::size_t{4} * 64 * 1024) {
    WARN("vm.max_map_count has room for the guards of all these");
    return;
  }
  const auto child = weft_test::run_child("more-stacks-than-mappings");
  CHECK(child.out == "some 1 not all 1 counted 1\nroom 1\n");
  CHECK(child.exit_code == 0);
}

weft::coro<std::string> text_of_async_read(weft::file_descriptor& from) {
  std::array<std::byte, 1> byte{};
  try {
    co_await from.async_read(byte);
  } catch (const std::system_error& e) {
    co_return e.what();
  }
  co_return "no error";
}

WEFT_CHILD_CASE("no-room-for-a-registration") {
  weft::run([] {
    auto ends = weft::pipe();
    weft_test::refuse(SYS_epoll_ctl, ENOSPC);
    std::array<std::byte, 1> byte{};
    const auto text_of = [](auto call) -> std::string {
      try {
        call();
      } catch (const std::system_error& e) {
        return e.code() == std::errc::no_space_on_device ? e.what() : "another error";
      }
      return "no error";
    };
    const std::string number = std::to_string(ends.reader.get());
    std::cout << text_of([&] { ends.reader.read(byte); }) << '\n'
              << text_of([&] { weft::wait_readable(ends.reader.get()); }) << '\n'
              << weft::spawn(text_of_async_read(ends.reader)).get() << '\n'
              << number << '\n';
  });
}

TEST_CASE("a wait that cannot begin names the call and the descriptor") {
  const auto child = weft_test::run_child("no-room-for-a-registration");
  CAPTURE(child.out, child.err);
  std::istringstream lines(child.out);
  std::string read, wait, async, number;
  REQUIRE((std::getline(lines, read) && std::getline(lines, wait) && std::getline(lines, async) &&
           std::getline(lines, number)));
  for (const std::string& text : {read, wait, async}) {
    CHECK_THAT(text, weft_test::contains("(descriptor " + number + ")"));
    CHECK_THAT(text, weft_test::contains("No space left on device"));
  }
  CHECK_THAT(read, weft_test::contains("weft::file_descriptor::read"));
  CHECK_THAT(wait, weft_test::contains("weft::wait_readable"));
  CHECK_THAT(async, weft_test::contains("weft::file_descriptor::async_read"));
}

TEST_CASE("threads refused") {
  if (weft_test::under_tsan || weft_test::under_asan) return;  // they need threads of their own
  const auto none = weft_test::run_child("no-threads");
  CAPTURE(none.err);
  CHECK(none.out == std::to_string(EAGAIN) + '\n' + std::to_string(EAGAIN) + '\n');
  CHECK(none.exit_code == 0);
  const auto one = weft_test::run_child("no-more-threads");
  CHECK(one.out == "1400\n");
  CHECK(one.exit_code == 0);
}

TEST_CASE("a thread refused does not hide a deadlock") {
  if (weft_test::under_tsan || weft_test::under_asan) return;  // they need threads of their own
  const auto child = weft_test::run_child("no-stand-in-and-a-deadlock");
  CAPTURE(child.err);
  CHECK(child.out == "1\ndeadlock\n");
  CHECK(child.exit_code == 0);
}

TEST_CASE("goroutines without a stack wait for one") {
  if (weft_test::under_tsan || weft_test::under_asan) return;  // they need the address space
  const auto child = weft_test::run_child("no-room-for-stacks");
  CHECK(child.out == "1000\n");
  CHECK(child.exit_code == 0);
}
