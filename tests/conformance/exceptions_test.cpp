// Exceptions in flight and caught, across waits and from thread to thread; and what stays with the
// thread.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/opaque.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft_test::at_end;
using weft_test::notes;

namespace {

long thread_number() { return syscall(SYS_gettid); }

std::string current_text() {
  auto current = std::current_exception();
  if (!current) return "";
  try {
    std::rethrow_exception(current);
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "?";
  }
}

// Yields until it runs on another thread. Somebody else keeps the one that it runs on meanwhile, so
// that its place in that thread's queue is taken over.
void move_to_another_thread() {
  const long before = thread_number();
  std::atomic<bool> moved = false;
  while (thread_number() == before) {
    auto keeps_thread = weft::spawn([&] {
      const auto start = weft::clock::now();
      while (!moved && thread_number() == before && weft::clock::now() - start < 1s) {
      }
    });
    weft::yield();
    moved = thread_number() != before;
    // Not by wait(): whose end wakes us goes on with us on its own thread, the one that we have left.
    while (!keeps_thread.done()) weft::yield();
  }
}

// One wait of each kind, which others end.
class waits {
 public:
  waits()
      : partner_(weft::spawn([c = c_, d = d_] {
          weft::chan<int> never;
          for (bool open = true; open;) {
            weft::select(weft::on_recv(c, [&](std::optional<int> v) { open = v.has_value(); }),
                         weft::on_send(d, 1), weft::on_recv(never));
          }
        })) {}
  waits(const waits&) = delete;
  waits& operator=(const waits&) = delete;
  ~waits() {
    c_.close();
    partner_.wait();
  }

  void any(int kind) {
    switch (kind % 9) {
      case 0: weft::yield(); break;
      case 1: c_.send(1); break;
      case 2: d_.recv(); break;
      case 3: weft::select(weft::on_recv(d_), weft::on_send(c_, 2)); break;
      case 4: weft::sleep_for(20us); break;
      case 5: weft::spawn([] { weft::yield(); }).wait(); break;
      case 6: {
        std::optional<int> out;
        weft::chan<int>().recv_for(out, 20us);
        break;
      }
      case 7: {
        m_.lock();
        weft::yield();
        m_.unlock();
        break;
      }
      case 8: {
        weft::wait_group group;
        group.go([] {});
        group.wait();
      }
    }
  }

 private:
  weft::chan<int> c_;
  weft::chan<int> d_;
  weft::mutex m_;
  weft::join_handle<void> partner_;
};

}  // namespace

TEST_CASE("wait of every kind in a catch block, then throw;", "[exceptions]") {
  const int count = int(weft_test::scaled(300)) + 9;
  notes notes;
  weft::run([&] {
    waits w;
    weft::wait_group group;
    for (int i = 0; i < count; ++i) {
      group.go([&, i] {
        const std::string text = std::to_string(i);
        std::string caught;
        try {
          try {
            w.any(i);
            throw std::runtime_error(text);
          } catch (...) {
            w.any(i);
            w.any(i / 9);
            notes.expect(current_text() == text, "another current exception");
            throw;
          }
        } catch (const std::runtime_error& e) {
          w.any(i + 1);
          caught = e.what();
        }
        notes.expect(caught == text, "another exception");
        notes.expect(std::current_exception() == nullptr, "one is left");
      });
    }
    group.wait();
  });
  CHECK(notes.text() == "");
}

TEST_CASE("nested handlers, interleaved over many goroutines", "[exceptions]") {
  const int count = int(weft_test::scaled(200)) + 2;
  notes notes;
  weft::run([&] {
    waits w;
    weft::wait_group group;
    for (int i = 0; i < count; ++i) {
      group.go([&, i] {
        std::function<void(int)> nest = [&](int depth) {
          const std::string text = std::to_string(i) + "/" + std::to_string(depth);
          try {
            try {
              throw std::runtime_error(text);
            } catch (const std::runtime_error&) {
              w.any(i + depth);
              if (depth > 0) nest(depth - 1);
              w.any(i + 2 * depth);
              notes.expect(current_text() == text, "another exception after the inner one");
              throw;
            }
          } catch (const std::runtime_error& e) {
            notes.expect(e.what() == text, "another was rethrown");
            w.any(i + 3 * depth);
          }
        };
        nest(4);
        notes.expect(std::uncaught_exceptions() == 0, "one is in flight");
      });
    }
    group.wait();
  });
  CHECK(notes.text() == "");
}

TEST_CASE("the current exception comes along to another thread", "[exceptions]") {
  notes notes;
  const int moves = weft_test::under_tsan ? 2 : 10;
  weft::run([&] {
    for (int i = 0; i < moves; ++i) {
      auto moves_on = weft::spawn([&, i] {
        const std::string text = std::to_string(i);
        try {
          try {
            throw std::out_of_range(text);
          } catch (...) {
            const auto before = std::current_exception();
            move_to_another_thread();
            notes.expect(std::current_exception() == before, "not the same");
            notes.expect(current_text() == text, "not the same text");
            throw;
          }
        } catch (const std::out_of_range& e) {
          notes.expect(e.what() == text, "rethrown another");
        }
        notes.expect(std::current_exception() == nullptr, "one is left");
      });
      moves_on.get();
    }
  });
  CHECK(notes.text() == "");
}

TEST_CASE("an exception in flight comes along to another thread", "[exceptions]") {
  notes notes;
  const int moves = weft_test::under_tsan ? 2 : 10;
  weft::run([&] {
    for (int i = 0; i < moves; ++i) {
      auto moves_on = weft::spawn([&, i] {
        try {
          at_end outer([&] { notes.expect(std::uncaught_exceptions() == 1, "outer"); });
          at_end inner([&] {
            notes.expect(std::uncaught_exceptions() == 1, "before");
            move_to_another_thread();
            notes.expect(std::uncaught_exceptions() == 1, "after");
            // Another one, thrown and caught meanwhile.
            try {
              at_end deep([&] { notes.expect(std::uncaught_exceptions() == 2, "two"); });
              throw 1;
            } catch (int) {
              move_to_another_thread();
            }
            notes.expect(std::uncaught_exceptions() == 1, "after the inner one");
          });
          throw std::length_error(std::to_string(i));
        } catch (const std::length_error& e) {
          notes.expect(e.what() == std::to_string(i), "another arrived");
        }
        notes.expect(std::uncaught_exceptions() == 0, "left");
      });
      moves_on.get();
    }
  });
  CHECK(notes.text() == "");
}

TEST_CASE("destructors of several goroutines wait for each other in flight", "[exceptions]") {
  // Each unwinds, and its destructor meets that of another which unwinds, too.
  notes notes;
  const int pairs = int(weft_test::scaled(200)) + 1;
  weft::run([&] {
    weft::wait_group group;
    for (int i = 0; i < pairs; ++i) {
      weft::chan<int> c;
      for (const bool sends : {true, false}) {
        group.go([&notes, c, i, sends] {
          try {
            at_end meet([&] {
              if (sends) {
                c.send(i);
              } else {
                notes.expect(c.recv() == i, "another's value");
              }
              notes.expect(std::uncaught_exceptions() == 1, "wrong count");
            });
            throw i + (sends ? 1000 : 0);
          } catch (int v) {
            notes.expect(v == i + (sends ? 1000 : 0), "another's exception");
          }
        });
      }
    }
    group.wait();
  });
  CHECK(notes.text() == "");
}

TEST_CASE("an exception travels through a channel", "[exceptions]") {
  notes notes;
  weft::run([&] {
    weft::chan<std::exception_ptr> c(2);
    auto catches = weft::spawn([&] {
      int i = 0;
      for (auto& e : c) {
        try {
          std::rethrow_exception(e);
        } catch (const std::runtime_error& error) {
          weft::yield();
          notes.expect(error.what() == std::to_string(i++), "another");
        }
      }
      return i;
    });
    // Kept until the other is done with it: ThreadSanitizer does not see how the standard library counts
    // references, and takes the end of the last one for a race.
    std::vector<std::exception_ptr> sent;
    for (int i = 0; i < 50; ++i) {
      try {
        throw std::runtime_error(std::to_string(i));
      } catch (...) {
        sent.push_back(std::current_exception());
      }
      c.send(sent.back());
    }
    c.close();
    CHECK(catches.get() == 50);
  });
  CHECK(notes.text() == "");
}

namespace {

thread_local int of_the_thread = 0;

// The address is not kept over a wait.
WEFT_TEST_OPAQUE void set_of_the_thread(int value) { of_the_thread = value; }
WEFT_TEST_OPAQUE int get_of_the_thread() { return of_the_thread; }

}  // namespace

TEST_CASE("thread_local variables stay with the thread", "[exceptions]") {
  int carried = 0;
  int kept = 0;
  weft::run({.workers = 2}, [&] {
    constexpr int mine = 17;
    set_of_the_thread(mine);
    const long first = thread_number();
    move_to_another_thread();
    carried = get_of_the_thread();
    // A stand-in may have come for the first thread for good.
    for (int i = 0; i < 20 && thread_number() != first; ++i) move_to_another_thread();
    kept = thread_number() == first ? get_of_the_thread() : mine;
    set_of_the_thread(0);
  });
  CHECK(carried == 0);
  CHECK(kept == 17);
}
