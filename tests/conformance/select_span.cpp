// select over a number of cases known at run time, and cases that are used again.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"
#include "values.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::on_default;
using weft::on_recv;
using weft::on_send;
using weft::on_timeout;
using weft::select;
using weft::select_case;

TEST_CASE("select over a span", "[select][span]") {
  weft::run([] {
    const int count = 30;
    std::vector<weft::chan<int>> channels;
    std::vector<select_case> cases;
    int sum = 0;
    for (int i = 0; i < count; ++i) {
      channels.emplace_back();
      cases.push_back(on_recv(channels.back(), [&sum](std::optional<int> v) { sum += *v; }));
    }
    for (int i = 0; i < count; ++i) weft::go([c = channels[i], i] { c.send(i); });
    std::vector<int> seen(count, 0);
    for (int i = 0; i < count; ++i) ++seen[select(std::span<select_case>(cases))];
    CHECK(seen == std::vector<int>(count, 1));
    CHECK(sum == count * (count - 1) / 2);
  });
}

TEST_CASE("an empty span waits for ever", "[select][span]") {
  std::atomic<int> state = 0;
  weft::run([&] {
    weft::go([&] {
      try {
        select(std::span<select_case>());
        state = 1;
      } catch (const weft::goroutine_exit&) {
        state = 2;
      }
    });
    weft_test::until_parked(1);
  });
  CHECK(state == 2);
}

TEST_CASE("a part of a vector", "[select][span]") {
  weft::chan<int> c(4);
  std::vector<select_case> cases;
  std::vector<int> hits(3, 0);
  for (int i = 0; i < 3; ++i) {
    cases.push_back(on_recv(c, [&hits, i](std::optional<int>) { ++hits[i]; }));
  }
  c.send(1);
  CHECK(select(std::span(cases).subspan(2)) == 0);
  CHECK(hits == std::vector<int>{0, 0, 1});
}

TEST_CASE("a send case takes a value each time", "[select][span]") {
  weft::chan<std::string> c(1);
  std::vector<select_case> cases;
  cases.push_back(on_send(c, std::string("first")));
  CHECK(select(cases) == 0);
  CHECK(c.recv() == "first");
  // The value is gone.
  CHECK_THROWS_AS(select(cases), std::logic_error);
  CHECK(c.size() == 0);
  cases[0].value(std::string("second"));
  CHECK(select(cases) == 0);
  CHECK(c.recv() == "second");
  cases[0].value(std::string("replaced"));
  cases[0].value(std::string("third"));
  CHECK(select(cases) == 0);
  CHECK(c.recv() == "third");
}

TEST_CASE("a value of another type is a logic_error", "[select][span]") {
  weft::chan<std::string> c(1);
  std::vector<select_case> cases;
  cases.push_back(on_send(c, std::string("x")));
  CHECK_THROWS_AS(cases[0].value(5), std::logic_error);
  CHECK_THROWS_AS(cases[0].value("no std::string"), std::logic_error);
  cases.push_back(on_recv(c));
  CHECK_THROWS_AS(cases[1].value(std::string("y")), std::logic_error);
  // The first value is still there.
  CHECK(select(std::span(cases).first(1)) == 0);
  CHECK(c.recv() == "x");
}

TEST_CASE("a case that was moved from is a logic_error", "[select][span]") {
  weft::chan<int> c(1);
  std::vector<weft::select_case> cases;
  cases.push_back(on_send(c, 1));
  weft::select_case moved = std::move(cases[0]);
  CHECK_THROWS_AS(cases[0].value(2), std::logic_error);
  CHECK_THROWS_AS(select(cases), std::logic_error);
  cases[0] = std::move(moved);
  CHECK(select(cases) == 0);
  CHECK(c.recv() == 1);
}

TEST_CASE("a value that was not chosen stays for the next select", "[select][span]") {
  weft::chan<std::unique_ptr<int>> full(1);
  full.send(nullptr);
  std::vector<select_case> cases;
  cases.push_back(on_send(full, std::make_unique<int>(7)));
  cases.push_back(on_default([] {}));
  for (int i = 0; i < 3; ++i) CHECK(select(cases) == 1);
  full.recv();
  CHECK(select(cases) == 0);
  CHECK(**full.recv() == 7);
  cases[0].value(std::make_unique<int>(8));
  CHECK(select(cases) == 0);
  CHECK(**full.recv() == 8);
}

TEST_CASE("a stored case owns value and handler", "[select][span]") {
  weft::chan<std::string> c(1);
  std::vector<select_case> cases;
  auto token = std::make_shared<int>(0);
  {
    std::string text(50, 't');
    auto handler = [token] { ++*token; };
    cases.push_back(on_send(c, text, handler));
    text.assign(50, 'u');
  }
  CHECK(token.use_count() == 2);
  CHECK(select(cases) == 0);
  CHECK(*token == 1);
  CHECK(c.recv() == std::string(50, 't'));
  cases.clear();
  CHECK(token.use_count() == 1);
  // A move-only handler.
  auto p = std::make_unique<int>(3);
  int seen = 0;
  cases.push_back(on_default([p = std::move(p), &seen] { seen = *p; }));
  CHECK(select(cases) == 0);
  CHECK(seen == 3);
}

TEST_CASE("a stored time-out counts from each select", "[select][span][time]") {
  weft::chan<int> c;
  std::vector<select_case> cases;
  cases.push_back(on_recv(c));
  cases.push_back(on_timeout(3ms));
  for (int i = 0; i < 5; ++i) {
    auto start = weft::clock::now();
    CHECK(select(cases) == 1);
    CHECK(weft::clock::now() - start >= 3ms);
  }
  // A point in time stays where it is.
  cases[1] = on_timeout(weft::clock::now() + 1h);
  weft::run([&] {
    weft::go([c] { c.send(1); });
    CHECK(select(cases) == 0);
  });
}

TEST_CASE("closed, nil and duplicate channels in a span", "[select][span]") {
  weft::chan<int> nil = nullptr;
  weft::chan<int> closed;
  closed.close();
  std::vector<select_case> cases;
  cases.push_back(on_recv(nil));
  cases.push_back(on_send(nil, 1));
  std::optional<int> out = 5;
  cases.push_back(on_recv(closed, out));
  cases.push_back(on_recv(closed, out));
  bool second = false;
  bool third = false;
  for (int i = 0; i < 200; ++i) {
    auto which = select(cases);
    REQUIRE((which == 2 || which == 3));
    CHECK_FALSE(out.has_value());
    second = second || which == 2;
    third = third || which == 3;
  }
  CHECK(second);
  CHECK(third);
  cases.push_back(on_send(closed, 1));
  auto until_chosen = [&] {
    for (;;) select(cases);
  };
  CHECK_THROWS_AS(until_chosen(), weft::closed_channel);
}

TEST_CASE("many cases", "[select][span]") {
  // Go allows 65536 cases in reflect.Select.
  const std::size_t count = weft_test::scaled(5000);
  weft::run([count] {
    std::vector<weft::chan<int>> channels;
    std::vector<select_case> cases;
    std::optional<int> out;
    for (std::size_t i = 0; i < count; ++i) {
      channels.emplace_back();
      cases.push_back(on_recv(channels.back(), out));
    }
    for (std::size_t target : {std::size_t(0), count / 2, count - 1}) {
      auto sender = weft::spawn([c = channels[target]] { c.send(42); });
      CHECK(select(cases) == target);
      CHECK(out == 42);
      sender.get();
    }
  });
}
