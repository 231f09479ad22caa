// select: positions, handlers, values, threads.
#include "collect.hpp"
#include "support/catch.hpp"
#include "values.hpp"

#include <weft/weft.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::on_default;
using weft::on_recv;
using weft::on_send;
using weft::on_timeout;
using weft::select;
using weft_test::until_parked;

TEST_CASE("select returns the position of the case that ran", "[select]") {
  weft::chan<int> a(1);
  weft::chan<std::string> b(1);
  int got_a = 0;
  std::string got_b;
  auto both = [&] {
    return select(on_recv(a, [&](std::optional<int> v) { got_a = *v; }),
                  on_recv(b, [&](std::optional<std::string> v) { got_b = v.value(); }));
  };
  a.send(3);
  CHECK(both() == 0);
  CHECK(got_a == 3);
  b.send("text");
  CHECK(both() == 1);
  CHECK(got_b == "text");
  int sent = 0;
  CHECK(select(on_recv(b), on_send(a, 4, [&] { sent = 1; })) == 1);
  CHECK(sent == 1);
  CHECK(a.recv() == 4);
  CHECK(select(on_recv(a), on_recv(b), on_default([&] { sent = 2; })) == 2);
  CHECK(sent == 2);
}

TEST_CASE("a receive fills an optional, calls a handler, or drops the value", "[select]") {
  weft::chan<int> c(3);
  std::optional<int> out;
  c.send(1);
  CHECK(select(on_recv(c, out)) == 0);
  CHECK(out == 1);
  c.send(2);
  CHECK(select(on_recv(c)) == 0);
  CHECK(c.size() == 0);
  c.close();
  CHECK(select(on_recv(c, out)) == 0);
  CHECK_FALSE(out.has_value());
  bool closed = false;
  select(on_recv(c, [&](std::optional<int> v) { closed = !v; }));
  CHECK(closed);
}

TEST_CASE("void channels in select", "[select][void]") {
  weft::chan<void> c(2);
  bool value = false;
  int handled = 0;
  CHECK(select(on_send(c)) == 0);
  CHECK(select(on_send(c, [&] { ++handled; })) == 0);
  CHECK(handled == 1);
  CHECK(c.size() == 2);
  CHECK(select(on_recv(c, value)) == 0);
  CHECK(value);
  CHECK(select(on_recv(c, [&](bool open) { handled = open ? 2 : 3; })) == 0);
  CHECK(handled == 2);
  c.close();
  CHECK(select(on_recv(c, [&](bool open) { handled = open ? 2 : 3; })) == 0);
  CHECK(handled == 3);
  CHECK(select(on_recv(c, value)) == 0);
  CHECK_FALSE(value);
  CHECK(select(on_recv(c)) == 0);
}

TEST_CASE("select waits for each kind of partner", "[select]") {
  weft::run([] {
    weft::chan<int> a;
    weft::chan<int> b;
    std::optional<int> got;
    auto chooser = weft::spawn([&] { return select(on_recv(a, got), on_send(b, 7)); });
    until_parked(1);
    CHECK(b.recv() == 7);
    CHECK(chooser.get() == 1);
    auto again = weft::spawn([&] { return select(on_recv(a, got), on_send(b, 7)); });
    until_parked(1);
    a.send(8);
    CHECK(again.get() == 0);
    CHECK(got == 8);
    // What it did not choose is untouched.
    CHECK(b.try_send(1) == weft::chan_status::full);
    std::optional<int> out;
    CHECK(b.try_recv(out) == weft::chan_status::empty);
    CHECK(a.try_send(1) == weft::chan_status::full);
  });
}

TEST_CASE("a value is moved or copied from only if its case is chosen", "[select]") {
  using weft_test::counted;
  weft::chan<std::unique_ptr<int>> full(1);
  weft::chan<std::unique_ptr<int>> room(1);
  full.send(nullptr);
  auto p = std::make_unique<int>(5);
  auto q = std::make_unique<int>(6);
  CHECK(select(on_send(full, std::move(p)), on_default([] {})) == 1);
  REQUIRE(p);
  CHECK(select(on_send(full, std::move(p)), on_timeout(1ms)) == 1);
  REQUIRE(p);
  CHECK(select(on_send(full, std::move(p)), on_send(room, std::move(q))) == 1);
  CHECK(p);
  CHECK_FALSE(q);
  CHECK(**room.recv() == 6);

  weft::chan<counted> c(1);
  c.send(counted(1));
  const counted kept(2);
  counted::reset();
  CHECK(select(on_send(c, kept), on_default([] {})) == 1);
  CHECK(select(on_send(c, kept), on_timeout(1ms)) == 1);
  CHECK(counted::copies == 0);
  CHECK(counted::moves == 0);
  c.recv();
  counted::reset();
  CHECK(select(on_send(c, kept)) == 0);
  CHECK(counted::copies == 1);
  CHECK(kept.value == 2);
  CHECK(c.recv()->value == 2);
}

TEST_CASE("a send case converts its value", "[select]") {
  weft::chan<std::string> c(1);
  CHECK(select(on_send(c, "literal")) == 0);
  CHECK(c.recv() == "literal");
  weft::chan<long> numbers(1);
  CHECK(select(on_send(numbers, 3)) == 0);
  CHECK(numbers.recv() == 3);
}

TEST_CASE("a value that has to be converted is kept, too, if not chosen", "[select]") {
  struct base {
    virtual ~base() = default;
  };
  struct derived : base {};
  weft::chan<std::unique_ptr<base>> c(1);
  auto p = std::make_unique<derived>();
  c.send(nullptr);
  CHECK(select(on_send(c, std::move(p)), on_default([] {})) == 1);
  CHECK(p != nullptr);
  c.recv();
  p = std::make_unique<derived>();
  CHECK(select(on_send(c, std::move(p)), on_default([] {})) == 0);
  CHECK(p == nullptr);
  CHECK(*c.recv() != nullptr);
}

TEST_CASE("select takes values that cannot be assigned", "[select]") {
  struct fixed {
    explicit fixed(int v) : value(v) {}
    const int value;
  };
  weft::chan<fixed> c(2);
  std::optional<fixed> out;
  CHECK(select(on_send(c, fixed(1))) == 0);
  CHECK(select(on_recv(c, out)) == 0);
  CHECK(out->value == 1);
  CHECK(select(on_send(c, fixed(2))) == 0);
  CHECK(select(on_recv(c, out)) == 0);
  CHECK(out->value == 2);
  std::vector<weft::select_case> cases;
  cases.push_back(on_send(c, fixed(3)));
  CHECK(select(cases) == 0);
  cases[0] = on_recv(c, out);
  CHECK(select(cases) == 0);
  CHECK(out->value == 3);
  cases[0] = on_send(c, fixed(4));
  cases[0].value(fixed(5));
  CHECK(select(cases) == 0);
  CHECK(c.recv()->value == 5);
}

TEST_CASE("what a handler throws leaves select", "[select]") {
  weft::chan<int> c(2);
  c.send(1);
  CHECK_THROWS_AS(
      select(on_recv(c, [](std::optional<int>) { throw std::runtime_error("handler"); })),
      std::runtime_error);
  CHECK(c.size() == 0);
  CHECK_THROWS_AS(select(on_send(c, 2, [] { throw 1; })), int);
  CHECK(c.recv() == 2);
  CHECK_THROWS_AS(select(on_recv(c), on_default([] { throw 2L; })), long);
  CHECK_THROWS_AS(select(on_recv(c), on_timeout(1ms, [] { throw 'c'; })), char);
  c.send(3);
  CHECK(c.recv() == 3);
}

TEST_CASE("a handler may use the same channels again", "[select]") {
  weft::run([] {
    weft::chan<int> c(1);
    weft::chan<int> meet;
    c.send(1);
    int inner = 0;
    select(on_recv(c,
                   [&](std::optional<int> v) {
                     c.send(*v + 1);
                     select(on_recv(c, [&](std::optional<int> w) { inner = *w; }), on_recv(meet));
                     weft::go([=] { meet.send(9); });
                     inner += *meet.recv();
                   }),
           on_recv(meet));
    CHECK(inner == 11);
  });
}

TEST_CASE("select in a plain thread", "[select][threads]") {
  weft::chan<int> a;
  weft::chan<int> b;
  std::size_t chosen = 99;
  std::optional<int> got;
  std::thread thread([&, a, b] { chosen = select(on_recv(a, got), on_recv(b, got)); });
  b.send(4);
  thread.join();
  CHECK(chosen == 1);
  CHECK(got == 4);
  std::thread sender([&, a, b] { chosen = select(on_send(a, 1), on_send(b, 2)); });
  CHECK(a.recv() == 1);
  sender.join();
  CHECK(chosen == 0);
  std::thread late([&, a] { chosen = select(on_recv(a), on_timeout(3ms)); });
  late.join();
  CHECK(chosen == 1);
}
