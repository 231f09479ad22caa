// goroutine_local: a value per goroutine, and when it comes and goes.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

namespace {

std::atomic<int> alive = 0;
struct counted {
  counted() { ++alive; }
  ~counted() { --alive; }
  counted(const counted&) = delete;
  counted& operator=(const counted&) = delete;
  int value = 0;
};

}  // namespace

TEST_CASE("every goroutine has a value of its own", "[goroutine_local]") {
  weft::goroutine_local<int> number;
  weft_test::notes notes;
  weft::run([&] {
    weft::wait_group group;
    for (int g = 0; g < int(weft_test::scaled(1000)) + 10; ++g) {
      group.go([&, g] {
        notes.expect(*number == 0, "it does not begin as int()");
        *number = g;
        for (int i = 0; i < 5; ++i) {
          weft::yield();
          if (g % 3 == 0) weft::sleep_for(std::chrono::microseconds(g % 50));
          notes.expect(number.get() == g, "another's value");
        }
      });
    }
    group.wait();
  });
  CHECK(notes.text() == "");
}

TEST_CASE("an init function makes each value, and may wait", "[goroutine_local]") {
  std::atomic<int> made = 0;
  weft::goroutine_local<std::unique_ptr<std::string>> text([&] {
    weft::sleep_for(1ms);
    return std::make_unique<std::string>("made " + std::to_string(++made));
  });
  weft::run([&] {
    const std::string first = **text;
    CHECK(first == "made 1");
    CHECK((*text)->size() == 6);
    CHECK(weft::spawn([&] { return *text->get(); }).get() == "made 2");
    CHECK(**text == first);
  });
  struct immovable {
    explicit immovable(int v) : value(v) {}
    immovable(const immovable&) = delete;
    int value;
  };
  weft::goroutine_local<immovable> fixed([] { return immovable(4); });
  CHECK(fixed->value == 4);
}

TEST_CASE("an init function that throws leaves no value", "[goroutine_local]") {
  int calls = 0;
  weft::goroutine_local<int> value([&] {
    if (++calls == 1) throw std::runtime_error("not yet");
    return calls;
  });
  weft::run([&] {
    CHECK_THROWS_AS(value.get(), std::runtime_error);
    CHECK(value.get() == 2);
    CHECK(value.get() == 2);
  });
}

TEST_CASE("a goroutine's values are gone when its handle says done", "[goroutine_local]") {
  weft::goroutine_local<counted> value;
  weft::run([&] {
    for (int i = 0; i < 50; ++i) {
      auto h = weft::spawn([&] {
        value->value = i;
        return alive.load();
      });
      CHECK(h.get() == 1);
      CHECK(alive == 0);
    }
    auto failing = weft::spawn([&] {
      value->value = 1;
      throw std::runtime_error("with a value");
    });
    CHECK_THROWS_AS(failing.get(), std::runtime_error);
    CHECK(alive == 0);
  });
}

TEST_CASE("all values are gone after the run, main's included", "[goroutine_local]") {
  weft::goroutine_local<counted> value;
  weft::run([&] {
    value->value = 1;
    weft::chan<void> ready;
    for (int i = 0; i < 10; ++i) {
      weft::go([&value, ready, i] {
        value->value = i;
        ready.send();
        if (i % 2 == 0) weft::chan<int>(nullptr).recv();  // unwound
      });
    }
    for (int i = 0; i < 10; ++i) ready.recv();
  });
  CHECK(alive == 0);
}

TEST_CASE("values go newest first, on their goroutine's stack", "[goroutine_local]") {
  std::vector<std::string> order;
  struct says {
    std::string name;
    std::uint64_t id = weft::this_goroutine::id();
    std::vector<std::string>* order = nullptr;
    ~says() {
      if (order != nullptr) {
        order->push_back(name + (weft::this_goroutine::id() == id ? "" : " elsewhere"));
      }
    }
  };
  weft::goroutine_local<says> a;
  weft::goroutine_local<says> b;
  weft::goroutine_local<says> c;
  weft::run([&] {
    weft::spawn([&] {
      for (auto* l : {&b, &c, &a}) {
        (*l)->order = &order;
        (*l)->name = l == &a ? "a" : l == &b ? "b" : "c";
      }
    }).wait();
  });
  CHECK(order == std::vector<std::string>{"a", "c", "b"});
}

TEST_CASE("a destructor may use others and may wait", "[goroutine_local]") {
  static weft::goroutine_local<counted>* other = nullptr;
  static std::atomic<int> waited;
  waited = 0;
  struct uses_other {
    int unused = 0;
    ~uses_other() {
      (*other)->value = 1;  // made anew if it is gone
      weft::yield();
      weft::sleep_for(1ms);
      if ((*other)->value == 1) ++waited;
    }
  };
  weft::goroutine_local<counted> counts;
  weft::goroutine_local<uses_other> user;
  other = &counts;
  weft::run([&] {
    weft::spawn([&] { user->unused = 1; }).wait();
    CHECK(alive == 0);
    weft::spawn([&] {
      user->unused = 1;
      counts->value = 5;
    }).wait();
    CHECK(alive == 0);
    CHECK(waited == 2);
    // At the end of the run, too, where waits would throw.
    weft::go([&] {
      user->unused = 1;
      weft::chan<int>(nullptr).recv();
    });
    weft_test::until_parked(1);
  });
  CHECK(waited == 3);
  CHECK(alive == 0);
}

TEST_CASE("a goroutine_local may go before the values", "[goroutine_local]") {
  weft::run([&] {
    auto first = std::make_optional<weft::goroutine_local<counted>>();
    weft::chan<void> ready;
    weft::chan<void> gate;
    auto holder = weft::spawn([&] {
      counted& mine = **first;
      mine.value = 7;
      ready.send();
      gate.recv();
      return mine.value;
    });
    ready.recv();
    first.reset();
    CHECK(alive == 1);
    // The next one takes its place, but not its values.
    weft::goroutine_local<int> second([] { return 3; });
    CHECK(*second == 3);
    CHECK(weft::spawn([&] { return *second; }).get() == 3);
    gate.send();
    CHECK(holder.get() == 7);
    CHECK(alive == 0);
  });
}

TEST_CASE("one that takes another's place in the same goroutine starts anew", "[goroutine_local]") {
  weft::run([] {
    for (int i = 0; i < 20; ++i) {
      weft::goroutine_local<counted> value;
      CHECK(value->value == 0);
      value->value = i + 1;
      CHECK(alive == i + 1);
    }
  });
  CHECK(alive == 0);
}

TEST_CASE("outside of goroutines there is a value per thread, gone at its exit",
          "[goroutine_local]") {
  std::thread([] {
    weft::goroutine_local<counted> value;
    value->value = 1;
    int seen = -1;
    std::thread([&] {
      seen = value->value;
      value->value = 2;
    }).join();
    CHECK(seen == 0);
    CHECK(alive == 1);
    CHECK(value->value == 1);
    weft::run([&] { CHECK(value->value == 0); });
    CHECK(alive == 1);
    weft::blocking([&] { value->value = 3; });  // here: in place
    CHECK(value->value == 3);
  }).join();
  CHECK(alive == 0);
}

TEST_CASE("many locals in one goroutine", "[goroutine_local]") {
  weft::run([] {
    std::vector<std::unique_ptr<weft::goroutine_local<int>>> many;
    for (int i = 0; i < 300; ++i) {
      many.push_back(std::make_unique<weft::goroutine_local<int>>([i] { return i; }));
    }
    weft::spawn([&] {
      for (int i = 299; i >= 0; --i) **many[std::size_t(i)] += 1;
      int sum = 0;
      for (auto& l : many) sum += **l;
      return sum;
    }).get();
    int sum = 0;
    for (auto& l : many) sum += **l;
    CHECK(sum == 299 * 300 / 2);
  });
}
