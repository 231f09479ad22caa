// The default runtime before main, after it, and at exit.
#include "support/catch.hpp"
#include "support/child.hpp"

#include <weft/weft.hpp>

#include <cstdlib>
#include <iostream>

using weft_test::run_child;

namespace {

// Started by a static constructor, in every process that runs this program.
weft::join_handle<int> early = weft::spawn([] { return 7; });

WEFT_CHILD_CASE("static-constructor") { std::cout << "early " << early.get() << std::endl; }

struct says {
  const char* text;
  ~says() { std::cout << text << std::endl; }
};

WEFT_CHILD_CASE("exit-while-parked") {
  weft::chan<void> started;
  for (int i = 0; i < 10; ++i) {
    weft::go([started] {
      says at_end{"unwound"};
      started.send();
      weft::chan<int>().recv();
    });
  }
  for (int i = 0; i < 10; ++i) started.recv();
  weft::go([started] {
    started.send();
    for (;;) weft::yield();
  });
  started.recv();
  std::cout << "main ends" << std::endl;
}

WEFT_CHILD_CASE("exit-called") {
  weft::chan<void> started;
  weft::go([started] {
    says at_end{"unwound"};
    started.send();
    weft::chan<int>().recv();
  });
  started.recv();
  std::exit(4);
}

struct works_at_exit {
  weft::chan<int> ask;
  weft::chan<int> reply;
  ~works_at_exit() {
    ask.send(20);
    std::cout << "old goroutine: " << reply.recv().value_or(-1) << std::endl;
    std::cout << "new goroutine: " << weft::spawn([] { return 6 * 7; }).get() << std::endl;
    weft::mutex m;
    m.lock();
    weft::go([&] { m.unlock(); });
    m.lock();
    std::cout << "run: " << weft::run([] { return weft::spawn([] { return 9; }).get(); })
              << std::endl;
  }
};

WEFT_CHILD_CASE("static-destructor") {
  static works_at_exit last;
  weft::go([ask = last.ask, reply = last.reply] {
    for (int v : ask) reply.send(v + 1);
  });
  std::cout << "main ends" << std::endl;
}

}  // namespace

TEST_CASE("go and spawn from static constructors", "[death][process]") {
  auto child = run_child("static-constructor");
  CHECK(child.exit_code == 0);
  CHECK(child.out == "early 7\n");
  CHECK(child.err == "");
}

TEST_CASE("at exit nothing of the default runtime is unwound or waited for", "[death][process]") {
  auto child = run_child("exit-while-parked");
  CHECK(child.exit_code == 0);
  CHECK(child.out == "main ends\n");
  CHECK(child.err == "");
  auto called = run_child("exit-called");
  CHECK(called.exit_code == 4);
  CHECK(called.out == "");
}

TEST_CASE("weft works in static destructors", "[death][process]") {
  auto child = run_child("static-destructor");
  CHECK(child.exit_code == 0);
  CHECK(child.out == "main ends\nold goroutine: 21\nnew goroutine: 42\nrun: 9\n");
  CHECK(child.err == "");
}
