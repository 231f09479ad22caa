// What belongs to a thread and has to follow the goroutine over a switch: exceptions and errno.
#include <cerrno>
#include <chrono>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include <weft/weft.hpp>

#include "conformance/collect.hpp"
#include "support/catch.hpp"
#include "support/opaque.hpp"
#include "support/scale.hpp"
#include "switch/thread_local.hpp"
#include "unit/wait_somehow.hpp"

using namespace std::chrono_literals;
using weft_test::many;
using weft_test::wait_somehow;

namespace {

std::string name(int who, int depth) { return std::to_string(who) + '.' + std::to_string(depth); }

std::string current_message() {
  try {
    std::rethrow_exception(std::current_exception());
  } catch (const std::exception& e) {
    return e.what();
  }
}

// Exceptions within handlers of exceptions, with waits at every point, rethrown on the way out.
void nest(int who, int depth, weft_test::notes& notes) {
  try {
    wait_somehow(who + depth);
    throw std::runtime_error(name(who, depth));
  } catch (const std::runtime_error& e) {
    wait_somehow(who + 2 * depth);
    notes.expect(e.what() == name(who, depth), "the handler's exception has changed");
    if (depth > 0) {
      try {
        nest(who, depth - 1, notes);
        notes.add("nothing was thrown");
      } catch (const std::runtime_error& inner) {
        wait_somehow(who + depth);
        notes.expect(inner.what() == name(who, depth - 1), "another inner exception");
      }
    }
    wait_somehow(who);
    notes.expect(current_message() == name(who, depth), "another current exception");
    throw;
  }
}

// Waits while it is destroyed by an exception.
struct waits_at_end {
  int round;
  int expected;
  weft_test::notes& notes;
  ~waits_at_end() {
    notes.expect(std::uncaught_exceptions() == expected, "uncaught before the wait");
    wait_somehow(round);
    notes.expect(std::uncaught_exceptions() == expected, "uncaught after the wait");
    try {
      const waits_at_end* none = nullptr;
      if (none == nullptr) throw std::logic_error("inner");
    } catch (const std::logic_error&) {
      wait_somehow(round + 1);
      notes.expect(current_message() == "inner", "the inner exception");
    }
    notes.expect(std::uncaught_exceptions() == expected, "uncaught after the inner exception");
  }
};

// As a function of the C library would, which no sanitizer sees into.
WEFT_TEST_OPAQUE WEFT_TEST_NO_TSAN void set_errno(int value) {
  *weft::detail::thread_errno() = value;
}
WEFT_TEST_OPAQUE WEFT_TEST_NO_TSAN int get_errno() { return *weft::detail::thread_errno(); }

}  // namespace

TEST_CASE("a wait inside a handler, then a bare throw") {
  weft_test::notes notes;
  many([&](int who) {
    std::string caught;
    try {
      try {
        throw std::runtime_error(std::to_string(who));
      } catch (...) {
        wait_somehow(who);
        throw;
      }
    } catch (const std::runtime_error& e) {
      caught = e.what();
    }
    notes.expect(caught == std::to_string(who), "caught another's exception");
    notes.expect(std::current_exception() == nullptr, "an exception is left behind");
  });
  CHECK(notes.text() == "");
}

TEST_CASE("nested handlers that wait keep their exceptions") {
  weft_test::notes notes;
  many([&](int who) {
    try {
      nest(who, 3, notes);
      notes.add("nothing was thrown");
    } catch (const std::runtime_error& e) {
      notes.expect(e.what() == name(who, 3), "another outer exception");
    }
  });
  CHECK(notes.text() == "");
}

TEST_CASE("uncaught_exceptions follows the goroutine whose destructors wait") {
  weft_test::notes notes;
  many([&](int who) {
    notes.expect(std::uncaught_exceptions() == 0, "another's exception in flight");
    try {
      waits_at_end first{who, 1, notes};
      waits_at_end second{who + 1, 1, notes};
      if (who >= 0) throw std::runtime_error(std::to_string(who));
    } catch (const std::runtime_error& e) {
      notes.expect(e.what() == std::to_string(who), "caught another's exception");
    }
    wait_somehow(who);
    notes.expect(std::uncaught_exceptions() == 0, "an exception is still in flight");
  });
  CHECK(notes.text() == "");
}

TEST_CASE("a destructor may wait for one that throws, too") {
  weft_test::notes notes;
  many([&](int who) {
    struct joins {
      int who;
      weft_test::notes& notes;
      ~joins() {
        try {
          weft::spawn([w = who]() -> int { throw std::logic_error(std::to_string(w)); }).get();
        } catch (const std::logic_error& e) {
          notes.expect(e.what() == std::to_string(who), "another's result");
        }
      }
    };
    try {
      joins at_end{who, notes};
      throw std::runtime_error("outer");
    } catch (const std::runtime_error& e) {
      notes.expect(e.what() == std::string("outer"), "another outer exception");
    }
  });
  CHECK(notes.text() == "");
}

TEST_CASE("a fresh goroutine sees none of its starter's exceptions") {
  weft_test::notes notes;
  many([&](int) {
    try {
      throw std::runtime_error("starter's");
    } catch (...) {
      weft::spawn([&] {
        notes.expect(std::current_exception() == nullptr, "it sees another's handler");
        notes.expect(std::uncaught_exceptions() == 0, "it sees another's exception in flight");
      }).wait();
      notes.expect(current_message() == "starter's", "the starter's exception has changed");
    }
  });
  CHECK(notes.text() == "");
}

TEST_CASE("errno is the goroutine's") {
  weft_test::notes notes;
  many([&](int who) {
    for (int round = 0; round < 8; ++round) {
      set_errno(1000 + who + round);
      wait_somehow(who + round);
      notes.expect(get_errno() == 1000 + who + round, "errno has changed");
    }
  });
  CHECK(notes.text() == "");
}
