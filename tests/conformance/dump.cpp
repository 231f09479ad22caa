// dump(): what it says of each goroutine, and that it may come at any time.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using weft_test::contains;

namespace {

std::string dumped() {
  std::ostringstream text;
  weft::dump(text);
  return text.str();
}

// The lines of one goroutine: its own and its frames'.
std::string part_of(const std::string& text, const std::string& name) {
  const auto at = text.find('"' + name + '"');
  if (at == std::string::npos) return "";
  const auto from = text.rfind('\n', at) + 1;
  auto to = text.find('\n', at) + 1;
  while (text.compare(to, 4, "    ") == 0) to = text.find('\n', to) + 1;
  return text.substr(from, to - from);
}

std::size_t frames_in(const std::string& part) {
  std::size_t n = 0;
  for (auto at = part.find("\n    "); at != std::string::npos; at = part.find("\n    ", at + 1)) ++n;
  return n;
}

}  // namespace

// Exported, so that dladdr finds their names.
[[gnu::noinline]] void waits_in_outer_function(const weft::chan<int>& c) {
  c.recv();
  asm volatile("");
}
[[gnu::noinline]] void named_caller_of_dump(std::string& text) {
  text = dumped();
  asm volatile("");
}

TEST_CASE("dump says id, name, state, what is waited on and for how long", "[dump]") {
  weft::run([] {
    weft::this_goroutine::name("main itself");
    weft::mutex m;
    m.lock();
    weft::wait_group group;
    group.add(1);
    const auto start = [](std::string name, auto f) {
      weft::go([name, f] {
        weft::this_goroutine::name(name);
        f();
      });
    };
    start("a sender", [c = weft::chan<int>()] { c.send(1); });
    start("a selector", [] {
      weft::select(weft::on_recv(weft::chan<int>()), weft::on_recv(weft::chan<int>()));
    });
    start("a sleeper", [] { weft::sleep_for(1h); });
    weft::wait_group users;  // of what lies in this frame
    users.add(3);
    start("a locker", [&] {
      m.lock();
      users.done();
    });
    start("a group's", [&] {
      group.wait();
      users.done();
    });
    weft_test::until_parked(5);
    weft::chan<void> gate;
    auto joined = weft::spawn([gate] { gate.recv(); });
    start("a joiner", [&] {
      joined.wait();
      users.done();
    });
    weft_test::until_parked(7);
    weft::sleep_for(20ms);
    const std::string text = dumped();
    CAPTURE(text);
    CHECK_THAT(part_of(text, "main itself"), contains(": running, here\n"));
    CHECK_THAT(part_of(text, "main itself"),
               contains("goroutine " + std::to_string(weft::this_goroutine::id()) + " \""));
    CHECK_THAT(part_of(text, "a sender"), contains(": parked in chan send for "));
    CHECK_THAT(part_of(text, "a selector"), contains(": parked in select for "));
    CHECK_THAT(part_of(text, "a sleeper"), contains(": parked in sleep for "));
    CHECK_THAT(part_of(text, "a locker"), contains(": parked in mutex for "));
    CHECK_THAT(part_of(text, "a group's"), contains(": parked in wait group for "));
    CHECK_THAT(part_of(text, "a joiner"), contains(": parked in join for "));
    const std::string sleeper = part_of(text, "a sleeper");
    const auto at = sleeper.find(" for ");
    REQUIRE(at != std::string::npos);
    CHECK(std::stoi(sleeper.substr(at + 5)) >= 10);
    group.done();
    m.unlock();
    gate.send();
    users.wait();
  });
}

TEST_CASE("a parked goroutine shows its stack, as often as one looks", "[dump]") {
  weft::run([] {
    weft::chan<int> c;
    std::atomic<int> got = 0;
    for (int i = 0; i < 5; ++i) {
      weft::go([&got, c, i] {
        weft::this_goroutine::name("waits " + std::to_string(i));
        waits_in_outer_function(c);
        ++got;
      });
    }
    weft_test::until_parked(5);
    std::string first;
    for (int round = 0; round < int(weft_test::scaled(500)) + 2; ++round) {
      const std::string text = dumped();
      for (int i = 0; i < 5; ++i) {
        const std::string part = part_of(text, "waits " + std::to_string(i));
        REQUIRE_THAT(part, contains("chan receive"));
        if (weft_test::under_tsan) {
          REQUIRE_THAT(text, contains("no stack traces"));
        } else {
          REQUIRE_THAT(part, contains("waits_in_outer_function"));
          REQUIRE(frames_in(part) >= 3);
        }
        if (i == 0) {
          const std::string frames = part.substr(part.find('\n'));
          if (round == 0) first = frames;
          REQUIRE(frames == first);  // nothing is left on the stack
        }
      }
    }
    for (int i = 0; i < 5; ++i) c.send(i);  // they go on where they were
    while (got != 5) weft::yield();
  });
}

TEST_CASE("the caller shows its own stack", "[dump]") {
  weft::run([] {
    std::string text;
    named_caller_of_dump(text);
    CHECK_THAT(text, contains(": running, here\n"));
    if (!weft_test::under_tsan) CHECK_THAT(text, contains("named_caller_of_dump"));
  });
}

TEST_CASE("goroutines that could run are shown as such, with their stacks", "[dump]") {
  weft::run({.workers = 1}, [] {
    std::atomic<bool> stop = false;
    std::atomic<int> started = 0;
    weft::wait_group group;
    for (int i = 0; i < 3; ++i) {
      group.go([&, i] {
        weft::this_goroutine::name("yields " + std::to_string(i));
        ++started;
        while (!stop) weft::yield();
      });
    }
    while (started != 3) weft::yield();
    const std::string text = dumped();
    CAPTURE(text);
    for (int i = 0; i < 3; ++i) {
      const std::string part = part_of(text, "yields " + std::to_string(i));
      CHECK_THAT(part, contains(": runnable\n"));
      if (!weft_test::under_tsan) CHECK(frames_in(part) >= 2);
    }
    stop = true;
    group.wait();
  });
}

TEST_CASE("goroutines that have not started are counted", "[dump]") {
  weft::run({.workers = 1, .max_threads = 1}, [] {
    weft::wait_group group;
    for (int i = 0; i < 3; ++i) group.go([] {});
    CHECK_THAT(dumped(), contains("3 goroutines have not started yet\n"));
    group.wait();
  });
}

TEST_CASE("a hundred stacks at most", "[dump]") {
  weft::run([] {
    weft::chan<int> gate;
    for (int i = 0; i < 300; ++i) weft::go([gate] { gate.recv(); });
    weft_test::until_parked(300);
    const std::string text = dumped();
    std::size_t with = 0;
    std::size_t all = 0;
    for (auto at = text.find(": parked in chan receive"); at != std::string::npos;
         at = text.find(": parked in chan receive", at + 1)) {
      ++all;
      const auto end = text.find('\n', at);
      if (text.compare(end + 1, 4, "    ") == 0) ++with;
    }
    CHECK(all >= 300);
    CHECK(with <= 100);
    if (!weft_test::under_tsan) CHECK(with >= 50);
    gate.close();
  });
}

TEST_CASE("a goroutine whose stack is nearly used up shows none", "[dump]") {
  struct deep {
    // Until 56 KiB lie between `top` and here, whatever a compiler makes of the frames. A stack begins
    // up to 2 KiB below its end (its colour): what is left is less than a trace needs, more than recv.
    [[gnu::noinline]] static int go_down(const weft::chan<int>& c, std::uintptr_t top) {
      std::array<volatile char, 1024> here{};
      here[0] = 1;
      const auto at = reinterpret_cast<std::uintptr_t>(&here);
      if (top - at >= 56 << 10) return c.recv().value_or(0);
      return go_down(c, top) + here[0];
    }
  };
  if (weft_test::under_tsan || weft_test::under_asan) return;  // frames have another size there
  weft::run({.stack_size = 64 << 10}, [] {
    weft::chan<int> c;
    weft::go([c] {
      weft::this_goroutine::name("deep down");
      const volatile char top = 0;
      deep::go_down(c, reinterpret_cast<std::uintptr_t>(&top));
    });
    weft_test::until_parked(1);
    const std::string part = part_of(dumped(), "deep down");
    CHECK_THAT(part, contains("parked in chan receive"));
    CHECK(frames_in(part) == 0);
    c.send(1);
  });
}

TEST_CASE("dumps from everywhere while goroutines begin, wait, wake and end", "[dump]") {
  std::atomic<bool> stop = false;
  std::atomic<std::size_t> written = 0;
  std::thread outside([&] {
    while (!stop) written += dumped().size();
  });
  const int n = int(weft_test::scaled(3000)) + 40;
  weft::run([&] {
    weft::wait_group group;
    for (int g = 0; g < 4; ++g) {
      weft::chan<int> a;
      weft::chan<int> b(2);
      group.go([=] {
        for (int i = 0; i < n; ++i) a.send(i);
        a.close();
      });
      group.go([=] {
        for (const int v : a) {
          if (v % 7 == 0) weft::yield();
          b.send(v);
        }
        b.close();
      });
      group.go([=] {
        int expected = 0;
        for (;;) {
          std::optional<int> v;
          weft::select(weft::on_recv(b, v), weft::on_timeout(1h));
          if (!v) break;
          if (*v != expected++) std::abort();
          if (*v % 11 == 0) weft::spawn([] { weft::sleep_for(20us); }).wait();
        }
        if (expected != n) std::abort();
      });
    }
    group.go([&] {
      for (int i = 0; i < 20; ++i) {
        written += dumped().size();
        weft::sleep_for(100us);
      }
    });
    group.wait();
  });
  stop = true;
  outside.join();
  CHECK(written > 0);
}

TEST_CASE("a run ends although dumps hold its goroutines", "[dump]") {
  std::atomic<bool> stop = false;
  std::thread outside([&] {
    while (!stop) dumped();
  });
  std::atomic<int> unwound = 0;
  const int rounds = int(weft_test::scaled(200)) + 3;
  for (int round = 0; round < rounds; ++round) {
    weft::run([&] {
      weft::chan<void> ready;
      for (int i = 0; i < 10; ++i) {
        weft::go([&, ready, i] {
          const weft_test::at_end count([&] { ++unwound; });
          ready.send();
          if (i % 2 == 0) weft::chan<int>(nullptr).recv();
          for (;;) weft::yield();
        });
      }
      for (int i = 0; i < 10; ++i) ready.recv();
    });
  }
  stop = true;
  outside.join();
  CHECK(unwound == 10 * rounds);
}
