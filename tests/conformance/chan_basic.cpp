// chan: every member, on each element kind, in the calm case.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

using namespace std::chrono_literals;
using weft::chan_status;

static_assert(std::is_base_of_v<std::logic_error, weft::closed_channel>);
static_assert(std::is_base_of_v<std::logic_error, weft::nil_channel>);
static_assert(std::copyable<weft::chan<int>>);
static_assert(std::copyable<weft::chan<std::unique_ptr<int>>>);
static_assert(!std::is_convertible_v<std::size_t, weft::chan<int>>);
static_assert(!std::is_convertible_v<weft::chan<int>, bool>);

TEST_CASE("a buffered channel keeps as many values as its capacity", "[chan]") {
  weft::chan<int> c(3);
  CHECK(c.capacity() == 3);
  CHECK(c.size() == 0);
  CHECK(static_cast<bool>(c));
  CHECK_FALSE(c.closed());
  for (int i = 0; i < 3; ++i) {
    c.send(i);
    CHECK(c.size() == std::size_t(i) + 1);
  }
  CHECK(c.try_send(3) == chan_status::full);
  for (int i = 0; i < 3; ++i) CHECK(c.recv() == i);
  CHECK(c.size() == 0);
  std::optional<int> out = 99;
  CHECK(c.try_recv(out) == chan_status::empty);
  CHECK_FALSE(out.has_value());
}

TEST_CASE("an unbuffered channel holds nothing", "[chan]") {
  weft::chan<int> c;
  CHECK(c.capacity() == 0);
  CHECK(c.size() == 0);
  CHECK(c.try_send(1) == chan_status::full);
  std::optional<int> out = 1;
  CHECK(c.try_recv(out) == chan_status::empty);
  CHECK_FALSE(out.has_value());
  weft::run([c] {
    auto sender = weft::spawn([c] { c.send(5); });
    weft_test::until_parked(1);
    CHECK(c.size() == 0);
    std::optional<int> out;
    CHECK(c.try_recv(out) == chan_status::ok);
    CHECK(out == 5);
    sender.get();
    auto receiver = weft::spawn([c] { return c.recv(); });
    weft_test::until_parked(1);
    CHECK(c.try_send(6) == chan_status::ok);
    CHECK(receiver.get() == 6);
  });
}

TEST_CASE("capacities that are no power of two, and the ring's turn", "[chan]") {
  for (std::size_t capacity : {1u, 2u, 3u, 5u, 7u, 8u, 100u}) {
    weft::chan<int> c(capacity);
    int next_in = 0;
    int next_out = 0;
    for (int turn = 0; turn < 50; ++turn) {
      while (c.try_send(next_in) == chan_status::ok) ++next_in;
      REQUIRE(c.size() == capacity);
      for (std::size_t i = 0; i < (capacity + 1) / 2; ++i) REQUIRE(c.recv() == next_out++);
    }
    while (next_out < next_in) REQUIRE(c.recv() == next_out++);
    REQUIRE(c.size() == 0);
  }
}

TEST_CASE("copying a handle shares the channel", "[chan]") {
  weft::chan<std::string> a(2);
  weft::chan<std::string> b = a;
  weft::chan<std::string> other(2);
  CHECK((a == b));
  CHECK((a != other));
  b.send("through b");
  CHECK(a.recv() == "through b");
  other = a;
  CHECK((other == b));
  weft::chan<std::string> moved = std::move(other);
  CHECK((moved == a));
  moved.close();
  CHECK(a.closed());
}

TEST_CASE("const handles send and receive", "[chan]") {
  const weft::chan<int> c(1);
  c.send(1);
  CHECK(c.recv() == 1);
  c.close();
}

TEST_CASE("lvalues are copied, rvalues moved, refused ones untouched", "[chan]") {
  weft::chan<std::string> c(1);
  const std::string kept(100, 'k');
  c.send(kept);
  std::string text(100, 'x');
  CHECK(c.try_send(std::move(text)) == chan_status::full);
  CHECK(text == std::string(100, 'x'));
  CHECK(c.send_for(std::move(text), 1ms) == chan_status::timeout);
  CHECK(text == std::string(100, 'x'));
  CHECK(c.recv() == kept);
  CHECK(kept.size() == 100);
  CHECK(c.try_send(std::move(text)) == chan_status::ok);
  CHECK(c.recv() == std::string(100, 'x'));
  c.close();
  std::string late(100, 'l');
  CHECK(c.try_send(std::move(late)) == chan_status::closed);
  CHECK(c.send_for(std::move(late), 1ms) == chan_status::closed);
  CHECK_THROWS_AS(c.send(std::move(late)), weft::closed_channel);
  CHECK(late == std::string(100, 'l'));
}

TEST_CASE("chan<void> passes signals", "[chan][void]") {
  weft::chan<void> c(2);
  c.send();
  CHECK(c.try_send() == chan_status::ok);
  CHECK(c.size() == 2);
  CHECK(c.try_send() == chan_status::full);
  CHECK(c.send_for(1ms) == chan_status::timeout);
  CHECK(c.send_until(weft::clock::now() + 1ms) == chan_status::timeout);
  CHECK(c.recv());
  CHECK(c.try_recv() == chan_status::ok);
  CHECK(c.try_recv() == chan_status::empty);
  CHECK(c.recv_for(1ms) == chan_status::timeout);
  CHECK(c.recv_until(weft::clock::now()) == chan_status::timeout);
  c.send();
  CHECK(c.recv_for(1ms) == chan_status::ok);
  c.send();
  c.close();
  CHECK(c.recv());
  CHECK_FALSE(c.recv());
  CHECK(c.try_recv() == chan_status::closed);
  CHECK(c.recv_for(1ms) == chan_status::closed);
  CHECK(c.try_send() == chan_status::closed);
  CHECK(c.send_for(1ms) == chan_status::closed);
  CHECK_THROWS_AS(c.send(), weft::closed_channel);
  weft::run([] {
    weft::chan<void> meet;
    auto other = weft::spawn([meet] {
      bool first = meet.recv();
      bool second = meet.recv();
      return first && !second;
    });
    meet.send();
    meet.close();
    CHECK(other.get());
  });
}

TEST_CASE("iteration ends when the channel is closed and drained", "[chan]") {
  weft::chan<std::string> c(5);
  for (const char* s : {"a", "b", "c"}) c.send(s);
  c.close();
  std::string all;
  for (std::string& s : c) {
    s += ';';
    all += s;
  }
  CHECK(all == "a;b;c;");
  for (std::string& s : c) all += s;
  CHECK(all == "a;b;c;");
  weft::run([] {
    weft::chan<std::unique_ptr<int>> owners;
    weft::go([owners] {
      for (int i = 1; i <= 4; ++i) owners.send(std::make_unique<int>(i));
      owners.close();
    });
    int sum = 0;
    for (auto& p : owners) sum += *p;
    CHECK(sum == 10);
  });
}

TEST_CASE("leaving an iteration early takes no further value", "[chan]") {
  weft::chan<int> c(4);
  for (int i = 0; i < 4; ++i) c.send(i);
  for (int v : c) {
    if (v == 1) break;
  }
  CHECK(c.recv() == 2);
  CHECK(c.size() == 1);
}

TEST_CASE("values that are never received are destroyed with the channel", "[chan]") {
  auto token = std::make_shared<int>(1);
  {
    weft::chan<std::shared_ptr<int>> c(10);
    for (int i = 0; i < 5; ++i) c.send(token);
    c.recv();
    CHECK(token.use_count() == 5);
    weft::chan<std::shared_ptr<int>> closed(3);
    closed.send(token);
    closed.close();
  }
  CHECK(token.use_count() == 1);
}

TEST_CASE("channels of channels", "[chan]") {
  weft::run([] {
    struct request {
      int value;
      weft::chan<int> reply;
    };
    weft::chan<request> server;
    weft::go([server] {
      for (auto& r : server) r.reply.send(r.value * r.value);
    });
    int sum = 0;
    for (int i = 1; i <= 10; ++i) {
      weft::chan<int> reply;
      server.send({i, reply});
      sum += *reply.recv();
    }
    CHECK(sum == 385);
    server.close();
  });
}

TEST_CASE("size is a value between none and the capacity", "[chan]") {
  weft::run([] {
    weft::chan<int> c(4);
    const int count = weft_test::scaled(5000);
    auto sender = weft::spawn([c, count] {
      for (int i = 0; i < count; ++i) c.send(i);
      c.close();
    });
    auto receiver = weft::spawn([c] {
      for (int v : c) static_cast<void>(v);
    });
    bool in_range = true;
    while (!receiver.done()) {
      in_range = in_range && c.size() <= c.capacity();
      weft::yield();
    }
    sender.get();
    CHECK(in_range);
  });
}
